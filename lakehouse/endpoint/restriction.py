"""Makes the catalogue that one user sees for one purpose: denied tables gone, rows and columns left out of others."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, partial
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from lakehouse.definition import LAYERS, NEVER_RENAMED, FormerNames
from lakehouse.endpoint.catalogue import SOURCE, Catalogue, Entry, complete
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.engine_settings import SCHEMA
from lakehouse.endpoint.faults import BusyError, DeniedStatementError, RefusedStatementError
from lakehouse.endpoint.groups import grouped, shape_of
from lakehouse.endpoint.masks import among_roles, empty, masked, named, told_of_others
from lakehouse.endpoint.names import Path, folded
from lakehouse.endpoint.past import Past
from lakehouse.endpoint.relations import Relation
from lakehouse.policy.consent import answering_subjects
from lakehouse.policy.decisions import Decision, Policy
from lakehouse.policy.purposes import includes
from lakehouse.policy.rules import Limits
from lakehouse.policy.terms import ConsentTable, Part, Terms, read_terms
from lakehouse.policy.users import PolicyFile
from lakehouse.tables.gold import DOCUMENTS, LOADS, PREDICTIONS
from lakehouse.tables.health import EXPECTATION_RESULTS, ROWS_ASIDE
from lakehouse.tables.records import TOMBSTONES
from lakehouse.tables.register import TERMS

log = logging.getLogger(__name__)
COLLECTED = (DOCUMENTS.name, PREDICTIONS.name)
"""Tables with content of many datasets; the id of each row's document begins with ``dataset/part/``."""

VERDICTS: dict[str, tuple[str, ...]] = {EXPECTATION_RESULTS.name: ("unexpected_count", "observed"), ROWS_ASIDE.name: ()}
"""Tables with a verdict on a whole table, or on a single row of it, in each row. Of tables that are not shown as they
are these figures are empty, for a quantile or a count may be one person's; rows without figures are left out."""

COLLECTED_FOR = "model_training"
"""The purpose whose consent was asked when those rows were collected; they name no subject to ask about others."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for what, by which policy, on which day; `secret` draws people and makes pseudonyms."""

    user: str
    purpose: str
    said: PolicyFile
    today: date
    secret: str = field(repr=False)


def restricted_catalogue(duck: Duck, everything: Catalogue, asker: Asker) -> Catalogue:
    """Return what a user may see of a release for a purpose; the release's own catalogue where that is all of it.

    The terms are those that this very release holds.
    """
    told = _rows(duck, everything, TERMS.name) or ()
    loads = cache(lambda: _rows(duck, everything, LOADS.name, ("layer", "dataset", "dataset_version")) or ())
    removed = cache(lambda: _rows(duck, everything, TOMBSTONES.name, ("dataset", "dataset_version")) or ())
    policy, ever = (
        Policy(asker.said.users, terms, asker.today, asker.said.rules)
        for terms in (read_terms(told, loads, removed), read_terms(told, loads))
    )
    maker = _Maker(duck, everything, policy, ever, asker.user, asker.purpose, asker.secret)
    seen = Catalogue(everything.release, unread=everything.unread, describe=duck.describe)
    for path, entry in everything.entries.items():
        if entry.kind == "TABLE":
            maker.add(seen, path, entry)
    # What may be seen of the past is asked again: a column that is hidden may be there only.
    past = Past(duck, maker.narrowed)
    if not seen.denied and all(everything.entries[path] is entry for path, entry in seen.entries.items()):
        return replace(everything, past=past)
    seen.past = past
    complete(
        duck, seen, {entry.path: entry.definition for entry in everything.entries.values() if entry.kind == "VIEW"}
    )
    return seen


@dataclass(slots=True)
class _Maker:
    duck: Duck
    everything: Catalogue
    policy: Policy
    ever: Policy
    """The same with what retracted versions hid: verdicts on their rows stay when these have gone."""

    user: str
    purpose: str
    secret: str
    subjects: dict[str, Relation] = field(default_factory=dict)

    def narrowed(self, entry: Entry) -> Entry:
        """Return a table, as it was, as it may be seen. Raises DeniedStatementError."""
        seen, path = Catalogue(self.everything.release), folded((entry.path,))
        self.add(seen, path, entry)
        if path in seen.denied:
            raise DeniedStatementError(seen.denied[path])
        found = seen.entries[path]
        if found.shape is not None:
            raise RefusedStatementError(f"the past of {entry.path} is not shown: it is about people, shown in groups")
        return found

    def add(self, seen: Catalogue, path: Path, entry: Entry) -> None:
        """Add a table as it may be seen, or the decision that denies it."""
        layer, name = entry.schema.removeprefix(f"{SOURCE}."), entry.name
        if entry.relation is None:
            seen.entries[path] = entry
            return
        if layer not in LAYERS:
            seen.entries[path] = _or_fault(entry, partial(self._of_the_house, entry, entry.relation, f"{layer}.{name}"))
            return
        decision = self._decision(self.policy, name)
        reason = self._unaskable(decision, layer, name, entry.relation)
        if decision.permitted and reason:
            decision = replace(decision, permitted=False, reason=reason)
        if decision.permitted:
            seen.entries[path] = _or_fault(entry, partial(self._restricted, entry, entry.relation, decision))
        else:
            seen.denied[path] = decision

    def _unaskable(self, decision: Decision, layer: str, name: str, relation: Relation) -> str:
        """Return why a table lacks what a decision must ask of it; empty where it lacks nothing."""
        subjects = set(self._subject_columns(decision, relation))
        missing = subjects - set(relation.schema.names)
        if missing:
            return f"its consent cannot be asked: {name} has no column {', '.join(sorted(missing))}"
        # Answers are kept by pseudonym, and whoever answers SQL has no key to tell whose values these are.
        raw = subjects & set(self._pseudonyms(decision)) if layer == "bronze" else set()
        if raw:
            return (
                f"its consent cannot be asked: bronze has {', '.join(sorted(raw))} as submitted, and answers are known "
                f"by pseudonym; ask silver.{name}"
            )
        groups = _limits(decision, relation).groups
        if groups is not None and not set(groups.persons) & set(relation.schema.names):
            return f"its people cannot be counted: {name} has no column {' or '.join(groups.persons)}"
        return ""

    def _decision(self, policy: Policy, name: str) -> Decision:
        for dataset, terms in policy.terms.items():
            for part in terms.parts:
                if name == f"{dataset}_{part}":
                    return policy.decide(self.user, self.purpose, dataset, part)
        if includes("operations", self.purpose):
            return Decision(self.user, self.purpose, name, None, permitted=True, reason="the archive must run")
        reason = "no terms of it are published; hand its dataset in again"
        return Decision(self.user, self.purpose, name, None, permitted=False, reason=reason)

    def _restricted(self, entry: Entry, relation: Relation, decision: Decision) -> Entry:
        seen = self._rows_and_columns(relation, decision)
        groups = _limits(decision, relation).groups
        if groups is None:
            return entry if seen is relation else replace(entry, relation=seen)
        persons = [name for name in groups.persons if name in relation.schema.names]
        shape = shape_of(self.duck, seen, groups, _hidden(decision))
        return replace(entry, relation=grouped(self.duck, seen, shape, persons, self.secret), shape=shape)

    def _rows_and_columns(self, relation: Relation, decision: Decision) -> Relation:
        """Return a table without the rows and values that may not be seen; people are still to be grouped.

        Columns that name them are kept for that: hidden ones show nothing once they are.
        """
        limits, subjects = _limits(decision, relation), self._subject_columns(decision, relation)
        counted = limits.groups.persons if limits.groups is not None else ()
        hidden = [name for name in _hidden(decision) if name not in counted]
        touched = {*hidden, *limits.masks} & set(relation.schema.names)
        if not subjects and not touched and limits.rows is None:
            return relation
        query = exp.select(*(self._shown(field, hidden, limits) for field in relation.schema)).from_(_table(relation))
        needs = [relation]
        if subjects and decision.consent is not None:
            answering = self._subjects(decision.dataset, decision.consent)
            needs.append(answering)
            part = self.policy.terms[decision.dataset].parts[str(decision.part)]
            query = query.where(*(_consented(one, part, answering, opt_in=decision.consent.opt_in) for one in subjects))
        if limits.rows is not None:
            query = query.where(among_roles(limits.rows, relation.schema.names))
        return self.duck.restricted(query, tuple(needs))

    def _shown(self, column: "pa.Field[Any]", hidden: Sequence[str], limits: Limits) -> exp.Expr:
        if column.name in hidden:
            return _column(column.name, hidden=True)
        if column.name in limits.masks and column.name not in (limits.groups.persons if limits.groups else ()):
            value = masked(column.name, column.type, limits.masks[column.name], self.secret)
            return exp.alias_(value, column.name, quoted=True)
        return _column(column.name)

    def _subject_columns(self, decision: Decision, relation: Relation) -> tuple[str, ...]:
        if decision.consent is None or decision.part is None:
            return ()
        return self.policy.terms[decision.dataset].parts[decision.part].subjects_among(relation.schema.names)

    def _pseudonyms(self, decision: Decision) -> tuple[str, ...]:
        part = self.policy.terms[decision.dataset].parts[str(decision.part)]
        return tuple(one for name in part.pseudonym_columns for one in part.names.all(name))

    def _subjects(self, dataset: str, consent: ConsentTable) -> Relation:
        """Return the relation of the subjects whose answer counts, one for each dataset."""
        if dataset not in self.subjects:
            table = f"silver.{dataset}_{consent.part}"
            columns = (consent.subject, consent.purpose, consent.given, "dataset_version")
            names = self.policy.terms[dataset].parts[consent.part].names
            rows = _rows(self.duck, self.everything, table, columns, as_text=consent.subject, names=names)
            if rows is None:
                raise BusyError(f"the consent of the subjects of {dataset} cannot be read now; try again later")
            answering = answering_subjects(consent, self.policy.terms[dataset], self.purpose, rows)
            found = pa.table({"subject": pa.array(sorted(answering), pa.string())})
            self.subjects[dataset] = self.duck.rows(f"consent {dataset} {self.purpose}", found)
        return self.subjects[dataset]

    def _of_the_house(self, entry: Entry, relation: Relation, name: str) -> Entry:
        """Return a table of the project's own, without what it says of tables that are not shown as they are."""
        if name in COLLECTED:
            return self._collected(entry, relation)
        return self._verdicts(entry, relation, VERDICTS[name]) if name in VERDICTS else entry

    def _verdicts(self, entry: Entry, relation: Relation, figures: tuple[str, ...]) -> Entry:
        names = self.duck.read_once(exp.select(named("table_name")).from_(_table(relation)).distinct())
        narrowed = [str(name) for name in names.column("table_name").to_pylist() if self._is_narrowed(str(name))]
        if not narrowed:
            return entry
        listed = exp.In(this=named("table_name"), expressions=[exp.Literal.string(name) for name in sorted(narrowed)])
        columns = [
            exp.alias_(told_of_others(name, listed), name, quoted=True) if name in figures else _column(name)
            for name in relation.schema.names
        ]
        query = exp.select(*columns).from_(_table(relation))
        query = query if figures else query.where(exp.not_(listed))
        return replace(entry, relation=self.duck.restricted(query, (relation,)))

    def _is_narrowed(self, table: str) -> bool:
        """Say whether a table of a dataset is or was denied, or shown without some of its rows or values."""
        layer, _, name = table.partition(".")
        if layer not in LAYERS:
            return False
        decision = self._decision(self.ever, name)
        limits = decision.limits.get(decision.part or "", Limits())
        less = not limits.are_none or _hidden(decision)
        asked = decision.consent is not None and self.ever.terms[decision.dataset].parts[str(decision.part)]
        return not decision.permitted or bool(less or (asked and asked.subject_columns))

    def _collected(self, entry: Entry, relation: Relation) -> Entry:
        """Return a table of many datasets with the rows of those that may be seen."""
        place = _place_of("document_id")
        query = exp.select(exp.alias_(place, "place", quoted=True)).from_(_table(relation)).distinct()
        places = {str(place) for place in self.duck.read_once(query).column("place").to_pylist()}
        allowed = places & set(self._places())
        if allowed == places:
            return entry
        rows = pa.table({"place": pa.array(sorted(allowed), pa.string())})
        listed = self.duck.rows(f"places {self.user} {self.purpose}", rows)
        chosen = exp.select(*(_column(name) for name in relation.schema.names)).from_(_table(relation))
        chosen = chosen.where(_among(place, listed, "place"))
        return replace(entry, relation=self.duck.restricted(chosen, (relation, listed)))

    def _groups_only(self) -> bool:
        known = self.policy.users.get(self.user)
        return known is None or "rows" not in known.rights

    def _places(self) -> list[str]:
        return [
            f"{dataset}/{part.name}"
            for dataset, terms in self.policy.terms.items()
            for part in terms.parts.values()
            if self.policy.decide(self.user, self.purpose, dataset, part.name).permitted
            and (includes(COLLECTED_FOR, self.purpose) or not _asks(terms, part))
            and not (part.is_personal and self._groups_only())
        ]


def _or_fault(entry: Entry, make: Callable[[], Entry]) -> Entry:
    """Return what is made of a table; the table without its rows, and why, where its files cannot be read now.

    So the other tables can be asked all the same.
    """
    try:
        return make()
    except BusyError as error:
        return replace(entry, relation=None, fault=str(error))
    except duckdb.Error as error:
        log.warning("table not restricted name=%s error=%s", entry.path, error)
        return replace(entry, relation=None, fault=f"table {entry.path} cannot be read now; try again later")


def _limits(decision: Decision, relation: Relation) -> Limits:
    """Return how a part is shown, by the names that its table has for columns in the release or snapshot at hand."""
    return decision.limits.get(decision.part or "", Limits()).among(relation.schema.names)


def _hidden(decision: Decision) -> tuple[str, ...]:
    return decision.hidden_columns.get(decision.part or "", ())


def _asks(terms: Terms, part: Part) -> bool:
    return terms.consent is not None and bool(part.subject_columns)


def _rows(
    duck: Duck,
    everything: Catalogue,
    table: str,
    columns: tuple[str, ...] = ("*",),
    as_text: str = "",
    names: FormerNames = NEVER_RENAMED,
) -> list[dict[str, object]] | None:
    """Return rows of a table of the release; None where it has no such table. Any of a column's `names` will do.

    Raises BusyError when its files cannot be read now.
    """
    entry = everything.entries.get(folded((SOURCE, table)))
    if entry is None:
        return None
    if entry.relation is None:
        raise BusyError(entry.fault)
    known = entry.relation.schema.names
    chosen = [
        exp.Star() if name == "*" else _column(names.among(name, known)[0], as_text=name == as_text) for name in columns
    ]
    try:
        return duck.read_once(exp.select(*chosen).from_(_table(entry.relation))).to_pylist()
    except duckdb.Error as error:
        raise BusyError(f"table {table} cannot be read now; try again later") from error


def _table(relation: Relation) -> exp.Table:
    return exp.Table(this=exp.to_identifier(relation.name, quoted=True), db=exp.to_identifier(SCHEMA))


def _column(name: str, *, hidden: bool = False, as_text: bool = False) -> exp.Expr:
    """Return a column under its own name; a hidden one is null, of the same type."""
    value = empty(name) if hidden else named(name)
    if as_text:
        value = exp.cast(value, "VARCHAR")
    return exp.alias_(value, name, quoted=True)


def _among(value: exp.Expr, listed: Relation, column: str) -> exp.Expr:
    return exp.In(this=value, query=exp.Subquery(this=exp.select(named(column)).from_(_table(listed))))


def _consented(name: str, part: Part, subjects: Relation, *, opt_in: bool) -> exp.Expr:
    """Say that a row names nobody in a column, or a subject whose answer lets it be seen."""
    answered = _among(exp.cast(named(name), "VARCHAR"), subjects, "subject")
    wanted = answered if opt_in else exp.not_(answered)
    empty = exp.Is(this=named(name), expression=exp.null())
    return exp.Paren(this=exp.and_(exp.not_(empty), wanted) if part.always_names_subjects else exp.or_(empty, wanted))


def _place_of(name: str) -> exp.Expr:
    """Return the first two parts of a document's id."""
    slash = exp.Literal.string("/")
    parts = [
        exp.Anonymous(this="split_part", expressions=[named(name), slash, exp.Literal.number(number)])
        for number in (1, 2)
    ]
    return exp.Anonymous(this="concat_ws", expressions=[slash, *parts])
