"""The checks of rule packs: the fields of a discipline, and what its columns must say in the data dictionary.

A pack constrains what a dataset declares; the archive's own rules then hold every value to what is declared.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lakehouse.archive import checks
from lakehouse.archive.checks import Hit
from lakehouse.archive.contents import Contents
from lakehouse.archive.eds import DESCRIPTION_FILE, ColumnDescription, ColumnRole, ColumnType
from lakehouse.archive.packs_model import Pack
from lakehouse.archive.patterns import is_pattern, matching
from lakehouse.archive.rulebook import Parameters, Rule, rules


@dataclass(frozen=True, slots=True)
class Applied:
    """A pack that a dataset names, with the fields it filled in; `pack` is None when the archive does not have it."""

    name: str
    pack: Pack | None
    fields: Mapping[str, Any]
    contents: Contents

    def place(self, field: str) -> str:
        """Where a field stands in the description."""
        return f"{DESCRIPTION_FILE}: disciplines.{self.name}.{field}"


@dataclass(frozen=True, slots=True)
class Named:
    """A column that a rule speaks of; its description is None when the dictionary does not have it."""

    table: str
    column: str
    description: ColumnDescription | None

    def hit(self, field: str, expected: str, reason: str) -> Hit:
        """Return a hit at the column's entry in its dictionary."""
        place = f"tables/{self.table}/columns.yaml: columns.{self.column}"
        return Hit(
            place, facts=_facts(field=field, column=self.column, table=self.table, expected=expected, reason=reason)
        )


def _facts(**known: str) -> dict[str, str | int | float]:
    return {"field": "", "column": "", "table": "", "expected": "", "reason": "", **known}


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldAsked(_Asked):
    """A field; with `when` only where that other field is filled in."""

    field: str
    when: str | None = None


class PatternAsked(_Asked):
    """A field and the RE2 expression that its texts must match."""

    field: str
    pattern: str


class ColumnAsked(_Asked):
    """A column that some table, or the named one, must have."""

    column: str
    table: str | None = None


class _Columns(_Asked):
    columns: tuple[str, ...] = ()
    field: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "_Columns":
        if bool(self.columns) == (self.field is not None):
            raise ValueError("name either columns, or a field of type columns")
        return self


class VocabularyAsked(_Columns):
    """Columns whose levels must be words of a vocabulary of the pack."""

    vocabulary: str


class ColumnPatternAsked(_Columns):
    """Columns whose pattern must be this one, or whose levels must match it."""

    pattern: str


class TypeAsked(_Columns):
    """Columns of one type, and one unit if it is given."""

    type: ColumnType
    unit: str | None = None


class RoleAsked(_Columns):
    """Columns that must declare one of these roles."""

    roles: tuple[ColumnRole, ...]


PackCheck = Callable[[Applied, Any], Iterable[Hit]]


def pack_unknown(applied: Applied, _asked: _Asked) -> Iterator[Hit]:
    """A discipline that the archive has no pack for."""
    if applied.pack is None:
        yield Hit(f"{DESCRIPTION_FILE}: disciplines.{applied.name}", facts=_facts(field=applied.name))


def field_unknown(applied: Applied, _asked: _Asked) -> Iterator[Hit]:
    """Fields that the pack does not know."""
    known = applied.pack.fields if applied.pack else applied.fields
    for name in applied.fields:
        if name not in known:
            yield Hit(applied.place(name), facts=_facts(field=name, expected=", ".join(known)[:200]))


def field_missing(applied: Applied, _asked: _Asked) -> Iterator[Hit]:
    """Required fields that are not filled in."""
    for name, field in applied.pack.fields.items() if applied.pack else ():
        if field.required and not _filled(applied, name):
            yield Hit(applied.place(name), facts=_facts(field=name, reason=field.description))


def field_invalid(applied: Applied, _asked: _Asked) -> Iterator[Hit]:
    """Fields whose value is not of their type, levels, pattern or range, or names a column that is not there."""
    for name, value in applied.fields.items():
        if applied.pack is None or name not in applied.pack.fields:
            continue
        reason = applied.pack.fault(name, value)
        if not reason and applied.pack.fields[name].type == "columns":
            absent = [f"{c.table}.{c.column}" for c in _listed(applied, name) if c.description is None]
            reason = f"names {', '.join(absent)[:200]}, which no dictionary has" if absent else ""
        if reason:
            yield Hit(applied.place(name), facts=_facts(field=name, reason=reason))


def field_required(applied: Applied, asked: FieldAsked) -> Iterator[Hit]:
    """A field that is not filled in."""
    if not _filled(applied, asked.field) and (asked.when is None or _filled(applied, asked.when)):
        yield Hit(applied.place(asked.field), facts=_facts(field=asked.field))


def field_matches(applied: Applied, asked: PatternAsked) -> Iterator[Hit]:
    """A field with a text that does not match."""
    value = applied.fields.get(asked.field)
    texts = [text for text in (value if isinstance(value, list | tuple) else [value]) if isinstance(text, str)]
    wrong = matching(asked.pattern, texts).count(False)
    if wrong:
        yield Hit(applied.place(asked.field), wrong, facts=_facts(field=asked.field, expected=asked.pattern))


def column_required(applied: Applied, asked: ColumnAsked) -> Iterator[Hit]:
    """A column that no table, or not the named one, has."""
    tables = applied.contents.reading.tables
    if not any(asked.column in table.columns for name, table in tables.items() if asked.table in (None, name)):
        place = f"tables/{asked.table}/columns.yaml" if asked.table else "tables"
        yield Hit(place, facts=_facts(column=asked.column, table=asked.table or ""))


def column_levels(applied: Applied, asked: VocabularyAsked) -> Iterator[Hit]:
    """Columns without levels, or with levels that the vocabulary does not have."""
    known = applied.pack.vocabularies[asked.vocabulary] if applied.pack else {}
    for column in _columns(applied, asked):
        levels = column.description.level_names() if column.description else ()
        unknown = [level for level in levels if level not in known]
        reason = "it declares no levels" if not levels else f"the levels {', '.join(unknown)[:200]} are not in it"
        if not levels or unknown:
            yield column.hit(asked.field or "", asked.vocabulary, reason)


def column_pattern(applied: Applied, asked: ColumnPatternAsked) -> Iterator[Hit]:
    """Columns that declare neither the pattern nor levels that match it."""
    for column in _columns(applied, asked):
        described = column.description
        levels = described.level_names() if described else ()
        fits = bool(levels) and all(matching(asked.pattern, levels))
        if not fits and (described is None or described.pattern != asked.pattern):
            yield column.hit(asked.field or "", asked.pattern, "it declares neither the pattern nor fitting levels")


def column_type(applied: Applied, asked: TypeAsked) -> Iterator[Hit]:
    """Columns of another type or unit."""
    for column in _columns(applied, asked):
        described = column.description
        expected = f"{asked.type} in {asked.unit}" if asked.unit else asked.type
        if described and (described.type != asked.type or asked.unit not in (None, described.unit)):
            yield column.hit(asked.field or "", expected, f"it is {described.type}")


def column_role(applied: Applied, asked: RoleAsked) -> Iterator[Hit]:
    """Columns that declare none of the roles."""
    for column in _columns(applied, asked):
        if column.description and column.description.role not in asked.roles:
            yield column.hit(asked.field or "", " or ".join(asked.roles), f"its role is {column.description.role}")


def _filled(applied: Applied, name: str) -> bool:
    return applied.fields.get(name) not in (None, "", [], ())


def _columns(applied: Applied, asked: _Columns) -> list[Named]:
    if asked.field is not None:
        return _listed(applied, asked.field)
    tables = applied.contents.reading.tables
    return [
        Named(table, column, about.columns[column])
        for table, about in tables.items()
        for column in asked.columns
        if column in about.columns
    ]


def _listed(applied: Applied, field: str) -> list[Named]:
    value = applied.fields.get(field)
    places = [p for p in value if isinstance(p, str) and "." in p] if isinstance(value, list | tuple) else []
    tables = applied.contents.reading.tables
    found = []
    for table, _, column in (place.partition(".") for place in places):
        about = tables[table].columns.get(column) if table in tables else None
        found.append(Named(table, column, about))
    return found


ASKED: Mapping[str, type[_Asked]] = {
    "pack_unknown": _Asked,
    "field_unknown": _Asked,
    "field_missing": _Asked,
    "field_invalid": _Asked,
    "field_required": FieldAsked,
    "field_matches": PatternAsked,
    "column_required": ColumnAsked,
    "column_levels": VocabularyAsked,
    "column_pattern": ColumnPatternAsked,
    "column_type": TypeAsked,
    "column_role": RoleAsked,
}
"""What each check of packs is asked with."""
CHECKS: Mapping[str, PackCheck] = {
    check.__name__: check
    for check in (
        pack_unknown,
        field_unknown,
        field_missing,
        field_invalid,
        field_required,
        field_matches,
        column_required,
        column_levels,
        column_pattern,
        column_type,
        column_role,
    )
}


def run(rule: Rule, applied: Applied) -> Iterable[Hit]:
    """Return the hits of a rule with selector `pack`."""
    return CHECKS[rule.check](applied, ASKED[rule.check].model_validate(dict(rule.parameters)))


def refuse_rule(pack: Pack, rule: Rule) -> str:
    """Return which field of a pack's rule cannot be used and why, or nothing."""
    if rule.selector != "pack":
        return _refuse_borrowed(rule)
    if rule.check not in CHECKS:
        return f"check: '{rule.check}' is no check of packs; choose one of {', '.join(CHECKS)}"
    try:
        asked = ASKED[rule.check].model_validate(dict(rule.parameters))
    except ValidationError as error:
        first = error.errors()[0]
        return f"parameters.{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
    return _refuse_names(pack, asked)


def _refuse_names(pack: Pack, asked: _Asked) -> str:
    for name in ("field", "when"):
        value = getattr(asked, name, None)
        if value is not None and value not in pack.fields:
            return f"parameters.{name}: '{value}' is no field of the pack"
    if isinstance(asked, _Columns) and asked.field is not None and pack.fields[asked.field].type != "columns":
        return f"parameters.field: '{asked.field}' is not of type columns"
    if isinstance(asked, VocabularyAsked) and asked.vocabulary not in pack.vocabularies:
        return f"parameters.vocabulary: '{asked.vocabulary}' is no vocabulary of the pack"
    pattern = getattr(asked, "pattern", None)
    if pattern is not None and not is_pattern(pattern):
        return f"parameters.pattern: {pattern!r} is no RE2 expression"
    return ""


def _refuse_borrowed(rule: Rule) -> str:
    registries: Mapping[str, Mapping[str, object]] = {
        "dataset": checks.DATASET,
        "file": checks.FILE,
        "table": checks.TABLE,
        "column": checks.COLUMN,
        "text": checks.TEXT,
        "event": checks.EVENT,
    }
    if rule.check not in registries[rule.selector]:
        return f"check: there is no check '{rule.check}' of a {rule.selector}"
    own = next(own for own in rules().values() if (own.selector, own.check) == (rule.selector, rule.check))
    if _kinds(own.parameters) != _kinds(rule.parameters):
        return f"parameters: '{rule.check}' is asked with {_spoken(own.parameters)}"
    return ""


def _kinds(parameters: Parameters) -> dict[str, type]:
    return {name: type(value) for name, value in parameters.items()}


def _spoken(parameters: Parameters) -> str:
    return ", ".join(f"{name} ({type(value).__name__})" for name, value in parameters.items()) or "nothing"
