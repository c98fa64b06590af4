"""Dremio's functions of lists, in DuckDB's words. Places in a list are counted from 0."""

from sqlglot import exp

from lakehouse.endpoint.calls import Function, call, counted, same

LISTS = {
    # The empty list makes sure that it is a list: DuckDB would take a struct apart into columns.
    "FLATTEN": Function(1, 1, lambda a: call("unnest", call("list_concat", a[0], exp.Array(expressions=[])))),
    "ARRAY_SIZE": Function(1, 1, counted("len")),
    "CARDINALITY": Function(1, 1, same("len")),
    "ARRAY_CONTAINS": Function(2, 2, same("dremio_array_contains")),
    "ARRAY_POSITION": Function(2, 2, lambda a: call("dremio_array_position", a[1], a[0])),
    "ARRAY_APPEND": Function(2, 2, same("list_append")),
    "ARRAY_PREPEND": Function(2, 2, same("list_prepend")),
    "ARRAY_CAT": Function(2, 2, same("dremio_array_cat")),
    "ARRAY_COMPACT": Function(1, 1, same("dremio_array_compact")),
    "ARRAY_DISTINCT": Function(1, 1, same("list_distinct")),
    "ARRAY_MAX": Function(1, 1, lambda a: call("dremio_array_extreme", a[0], call("list_max", a[0].copy()))),
    "ARRAY_MIN": Function(1, 1, lambda a: call("dremio_array_extreme", a[0], call("list_min", a[0].copy()))),
    "ARRAY_TO_STRING": Function(2, 2, same("dremio_array_to_string")),
}
