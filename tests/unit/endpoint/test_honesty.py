"""What a refusal on a table about people offers instead."""

import pytest
from sqlglot import parse_one

from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.groups import Shape
from lakehouse.endpoint.honesty import check


def refusal(*dimensions):
    shape = Shape(10, dimensions, ("minutes", "_row_number"), ("status",))
    with pytest.raises(RefusedStatementError) as refused:
        check(parse_one("select status from t"), {"t": shape})
    return str(refused.value)


def test_a_table_without_dimensions_says_who_names_some_and_where():
    assert "owner names `dimensions` in policy.yaml" in refusal("dataset_version", "dataset_commit")
    assert "policy.yaml" not in refusal("week", "dataset_version")


def test_the_number_of_a_row_is_not_offered_as_a_figure():
    assert "count: minutes, and COUNT(*)" in refusal("_dataset_version")
