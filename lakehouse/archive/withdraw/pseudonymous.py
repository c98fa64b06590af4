"""A withdrawal in silver, whose identifiers are pseudonyms: the person's values and theirs, as a lake may have both."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lakehouse.archive.pseudonym_terms import Row, held_key, with_keys_in_use
from lakehouse.archive.pseudonyms import Pseudonyms, SilverKey
from lakehouse.archive.withdraw.plan import Others, Removal, Values
from lakehouse.definition import TableDefinition
from lakehouse.tables.records import TOMBSTONES
from lakehouse.tables.register import TERMS
from lakehouse.tables.write_audit_publish import Lakehouse


def pseudonyms_of(house: Lakehouse, key: SilverKey) -> Pseudonyms | None:
    """Return what makes the pseudonyms of a lake; None where it has none.

    Raises:
        PseudonymError: their key is lost, or another one is there.
    """
    return held_key(terms_of(house), key)


def terms_of(house: Lakehouse) -> list[Row]:
    """Return the terms as they stand; those of retracted versions name no key."""
    return with_keys_in_use(_rows(house, TERMS), _rows(house, TOMBSTONES))


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


def _rows(house: Lakehouse, table: TableDefinition) -> list[Row]:
    # Main's, for a withdrawal that was killed before its release has removed the snapshot that is pinned.
    return [*house.tables.read(table.name).to_pylist()] if house.tables.exists(table.name) else []


def _each(columns: Mapping[str, Values], pseudonyms: Pseudonyms) -> Mapping[str, Values]:
    return {name: _both(values, pseudonyms) for name, values in columns.items()}


def _both(values: Values, pseudonyms: Pseudonyms) -> Values:
    return {name: with_pseudonyms(found, pseudonyms) for name, found in values.items()}
