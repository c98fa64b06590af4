"""Makes the catalogue that one user sees for one purpose: denied tables gone, rows and columns left out of others."""

from dataclasses import dataclass, field, replace
from datetime import date

import duckdb
import pyarrow as pa
from sqlglot import exp

from lakehouse.endpoint.catalogue import SOURCE, Catalogue, Entry, complete
from lakehouse.endpoint.duck import SCHEMA, Duck, Relation
from lakehouse.endpoint.faults import BusyError
from lakehouse.endpoint.names import Path, folded
from lakehouse.policy.consent import answering_subjects
from lakehouse.policy.decisions import Decision, Policy
from lakehouse.policy.purposes import includes
from lakehouse.policy.terms import ConsentTable, Part, Terms, read_terms
from lakehouse.policy.users import Users
from lakehouse.tables.gold import DOCUMENTS, PREDICTIONS
from lakehouse.tables.register import TERMS

LAYERS = ("bronze", "silver")
COLLECTED = (DOCUMENTS.name, PREDICTIONS.name)
"""Tables with content of many datasets; the id of each row's document begins with ``dataset/part/``."""

COLLECTED_FOR = "model_training"
"""The purpose whose consent was asked when those rows were collected; they name no subject to ask about others."""


def restricted_catalogue(
    duck: Duck, everything: Catalogue, users: Users, user: str, purpose: str, today: date
) -> Catalogue:
    """Return what `user` may see of a release for `purpose`; the release's own catalogue where that is all of it.

    The terms are those that this very release holds.
    """
    terms = read_terms(_rows(duck, everything, TERMS.name) or ())
    maker = _Maker(duck, everything, Policy(users, terms, today), user, purpose)
    seen = Catalogue(everything.release, unread=everything.unread)
    for path, entry in everything.entries.items():
        if entry.kind == "TABLE":
            maker.add(seen, path, entry)
    if not seen.denied and all(everything.entries[path] is entry for path, entry in seen.entries.items()):
        return everything
    complete(
        duck, seen, {entry.path: entry.definition for entry in everything.entries.values() if entry.kind == "VIEW"}
    )
    return seen


@dataclass(slots=True)
class _Maker:
    duck: Duck
    everything: Catalogue
    policy: Policy
    user: str
    purpose: str
    subjects: dict[str, Relation] = field(default_factory=dict)

    def add(self, seen: Catalogue, path: Path, entry: Entry) -> None:
        """Add a table as it may be seen, or the decision that denies it."""
        layer, name = entry.schema.removeprefix(f"{SOURCE}."), entry.name
        if entry.relation is None or (layer not in LAYERS and f"{layer}.{name}" not in COLLECTED):
            seen.entries[path] = entry
            return
        if layer not in LAYERS:
            seen.entries[path] = self._collected(entry, entry.relation)
            return
        decision = self._decision(name)
        missing = set(self._subject_columns(decision)) - set(entry.relation.schema.names)
        if decision.permitted and missing:
            reason = f"its consent cannot be asked: {name} has no column {', '.join(sorted(missing))}"
            decision = replace(decision, permitted=False, reason=reason)
        if decision.permitted:
            seen.entries[path] = self._restricted(entry, entry.relation, decision)
        else:
            seen.denied[path] = decision

    def _decision(self, name: str) -> Decision:
        for dataset, terms in self.policy.terms.items():
            for part in terms.parts:
                if name == f"{dataset}_{part}":
                    return self.policy.decide(self.user, self.purpose, dataset, part)
        if includes("operations", self.purpose):
            return Decision(self.user, self.purpose, name, None, permitted=True, reason="the archive must run")
        reason = "no terms of it are published; hand its dataset in again"
        return Decision(self.user, self.purpose, name, None, permitted=False, reason=reason)

    def _restricted(self, entry: Entry, relation: Relation, decision: Decision) -> Entry:
        hidden = set(decision.hidden_columns.get(decision.part or "", ()))
        named = self._subject_columns(decision)
        if not named and not hidden & set(relation.schema.names):
            return entry
        query = exp.select(*(_column(name, hidden=name in hidden) for name in relation.schema.names))
        query = query.from_(_table(relation))
        needs = [relation]
        if named and decision.consent is not None:
            try:
                subjects = self._subjects(decision.dataset, decision.consent)
            except BusyError as error:
                return replace(entry, relation=None, fault=str(error))
            needs.append(subjects)
            part = self.policy.terms[decision.dataset].parts[str(decision.part)]
            query = query.where(*(_consented(name, part, subjects, opt_in=decision.consent.opt_in) for name in named))
        return replace(entry, relation=self.duck.restricted(query, tuple(needs)))

    def _subject_columns(self, decision: Decision) -> tuple[str, ...]:
        if decision.consent is None or decision.part is None:
            return ()
        return self.policy.terms[decision.dataset].parts[decision.part].subject_columns

    def _subjects(self, dataset: str, consent: ConsentTable) -> Relation:
        """Return the relation of the subjects whose answer counts, one for each dataset."""
        if dataset not in self.subjects:
            table = f"silver.{dataset}_{consent.part}"
            columns = (consent.subject, consent.purpose, consent.given, "dataset_version")
            rows = _rows(self.duck, self.everything, table, columns, as_text=consent.subject)
            if rows is None:
                raise BusyError(f"the consent of the subjects of {dataset} cannot be read now; try again later")
            answering = answering_subjects(consent, self.policy.terms[dataset], self.purpose, rows)
            found = pa.table({"subject": pa.array(sorted(answering), pa.string())})
            self.subjects[dataset] = self.duck.rows(f"consent {dataset} {self.purpose}", found)
        return self.subjects[dataset]

    def _collected(self, entry: Entry, relation: Relation) -> Entry:
        """Return a table of many datasets with the rows of those that may be seen."""
        place = _place_of("document_id")
        query = exp.select(exp.alias_(place, "place", quoted=True)).from_(_table(relation)).distinct()
        places = {str(place) for place in self.duck.read(query).column("place").to_pylist()}
        allowed = places & set(self._places())
        if allowed == places:
            return entry
        rows = pa.table({"place": pa.array(sorted(allowed), pa.string())})
        listed = self.duck.rows(f"places {self.user} {self.purpose}", rows)
        chosen = exp.select(*(_column(name) for name in relation.schema.names)).from_(_table(relation))
        chosen = chosen.where(_among(place, listed, "place"))
        return replace(entry, relation=self.duck.restricted(chosen, (relation, listed)))

    def _places(self) -> list[str]:
        return [
            f"{dataset}/{part.name}"
            for dataset, terms in self.policy.terms.items()
            for part in terms.parts.values()
            if self.policy.decide(self.user, self.purpose, dataset, part.name).permitted
            and (includes(COLLECTED_FOR, self.purpose) or not _asks(terms, part))
        ]


def _asks(terms: Terms, part: Part) -> bool:
    return terms.consent is not None and bool(part.subject_columns)


def _rows(
    duck: Duck, everything: Catalogue, table: str, columns: tuple[str, ...] = ("*",), as_text: str = ""
) -> list[dict[str, object]] | None:
    """Return rows of a table of the release; None where it has no such table.

    Raises BusyError when its files cannot be read now.
    """
    entry = everything.entries.get(folded((SOURCE, table)))
    if entry is None:
        return None
    if entry.relation is None:
        raise BusyError(entry.fault)
    chosen = [exp.Star() if name == "*" else _column(name, as_text=name == as_text) for name in columns]
    try:
        return duck.read(exp.select(*chosen).from_(_table(entry.relation))).to_pylist()
    except duckdb.Error as error:
        raise BusyError(f"table {table} cannot be read now; try again later") from error


def _table(relation: Relation) -> exp.Table:
    return exp.Table(this=exp.to_identifier(relation.name, quoted=True), db=exp.to_identifier(SCHEMA))


def _named(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _column(name: str, *, hidden: bool = False, as_text: bool = False) -> exp.Expr:
    """Return a column under its own name; a hidden one is null, of the same type."""
    value: exp.Expr = _named(name)
    if hidden:
        value = exp.Case(ifs=[exp.If(this=exp.false(), true=value)])
    if as_text:
        value = exp.cast(value, "VARCHAR")
    return exp.alias_(value, name, quoted=True)


def _among(value: exp.Expr, listed: Relation, column: str) -> exp.Expr:
    return exp.In(this=value, query=exp.Subquery(this=exp.select(_named(column)).from_(_table(listed))))


def _consented(name: str, part: Part, subjects: Relation, *, opt_in: bool) -> exp.Expr:
    """Say that a row names nobody in a column, or a subject whose answer lets it be seen."""
    answered = _among(exp.cast(_named(name), "VARCHAR"), subjects, "subject")
    wanted = answered if opt_in else exp.not_(answered)
    empty = exp.Is(this=_named(name), expression=exp.null())
    return exp.Paren(this=exp.and_(exp.not_(empty), wanted) if part.always_names_subjects else exp.or_(empty, wanted))


def _place_of(name: str) -> exp.Expr:
    """Return the first two parts of a document's id."""
    slash = exp.Literal.string("/")
    parts = [
        exp.Anonymous(this="split_part", expressions=[_named(name), slash, exp.Literal.number(number)])
        for number in (1, 2)
    ]
    return exp.Anonymous(this="concat_ws", expressions=[slash, *parts])
