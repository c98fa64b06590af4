"""A withdrawal in silver, whose identifiers are pseudonyms: the person's values and theirs, as a lake may have both."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lakehouse.archive.pseudonym_terms import held_key
from lakehouse.archive.pseudonyms import Pseudonyms, SilverKey
from lakehouse.archive.withdraw.plan import Others, Removal, Values
from lakehouse.tables.register import TERMS
from lakehouse.tables.write_audit_publish import Lakehouse


def pseudonyms_of(house: Lakehouse, key: SilverKey) -> Pseudonyms | None:
    """Return what makes the pseudonyms of a lake; None where it has none.

    Raises:
        PseudonymError: their key is lost, or another one is there.
    """
    known = house.releases.current_or_empty().tables.get(TERMS.name)
    terms = [] if known is None else house.tables.read(TERMS.name, snapshot_id=known.snapshot_id).to_pylist()
    return held_key(terms, key)


def in_silver(removal: Removal, pseudonyms: Pseudonyms) -> Removal:
    """Return a removal that names rows of silver by their pseudonyms as well; actors have more forms than these."""
    return replace(
        removal,
        columns=_each(removal.columns, pseudonyms),
        documents=_each(removal.documents, pseudonyms),
        others={
            table: Others(*(_both(values, pseudonyms) for values in (one.yields, one.keeps, one.people)))
            for table, one in removal.others.items()
        },
    )


def with_pseudonyms(values: Iterable[str], pseudonyms: Pseudonyms | None) -> tuple[str, ...]:
    """Return values and their pseudonyms, sorted."""
    known = frozenset(values)
    return tuple(sorted(known if pseudonyms is None else known | pseudonyms.of_all(known)))


def _each(columns: Mapping[str, Values], pseudonyms: Pseudonyms) -> Mapping[str, Values]:
    return {name: _both(values, pseudonyms) for name, values in columns.items()}


def _both(values: Values, pseudonyms: Pseudonyms) -> Values:
    return {name: with_pseudonyms(found, pseudonyms) for name, found in values.items()}
