"""What ``archive.terms`` says of pseudonyms: which columns of a version's silver tables have them, and of which key."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lakehouse.archive.deidentified import NOBODY_NAMED, Deidentified, identifying_columns
from lakehouse.archive.eds import Description
from lakehouse.archive.pseudonyms import KEY_FILE, Pseudonyms, SilverKey
from lakehouse.errors import PseudonymError

Row = Mapping[str, Any]


def planned(terms: Sequence[Row], description: Description, key: SilverKey) -> Deidentified:
    """Return what silver will hold as pseudonyms of a version that has no terms yet.

    What is a pseudonym in one version of a dataset is one in all later ones, whatever these say of the column.

    Raises:
        PseudonymError: the key is not the one that the lake's pseudonyms were made with.
    """
    known = known_columns(row for row in terms if row["dataset"] == description.name)
    columns = identifying_columns(description, known)
    return Deidentified(columns, right_key(terms, key)) if columns else NOBODY_NAMED


def kept(terms: Sequence[Row], dataset: str, label: str, key: SilverKey) -> Deidentified:
    """Return what silver holds as pseudonyms of a version, as its terms say; raises as `planned` does."""
    columns = {
        row["part"]: told
        for row in terms
        if (row["dataset"], row["dataset_version"]) == (dataset, label) and (told := columns_of(row))
    }
    return Deidentified(columns, right_key(terms, key)) if columns else NOBODY_NAMED


def with_keys_in_use(terms: Iterable[Row], tombstones: Iterable[Row]) -> list[Row]:
    """Return terms of which those of retracted versions name no key: nothing that was made with it is left.

    Their columns stay named, for what was a pseudonym in one version is one in all later ones.
    """
    gone = {(row["dataset"], row["dataset_version"]) for row in tombstones}
    unkeyed = {"pseudonym_key": None}
    return [{**row, **unkeyed} if (row["dataset"], row["dataset_version"]) in gone else row for row in terms]


def right_key(terms: Iterable[Row], key: SilverKey) -> Pseudonyms:
    """Return what makes pseudonyms, with a new key where the lake has none yet.

    Raises:
        PseudonymError: the key is lost, or another than the one that the lake's pseudonyms were made with.
    """
    pseudonyms = held_key(terms, key)
    return key.open() if pseudonyms is None else pseudonyms


def held_key(terms: Iterable[Row], key: SilverKey) -> Pseudonyms | None:
    """Return the same; None where the lake has neither a key nor a pseudonym."""
    told = {row["pseudonym_key"] for row in terms if row.get("pseudonym_key")}
    pseudonyms = key.held()
    found = None if pseudonyms is None else pseudonyms.fingerprint
    if told - {found}:
        have = "is not there" if found is None else f"has the fingerprint {found}"
        raise PseudonymError(
            f"the pseudonyms in silver were made with the key of fingerprint {', '.join(sorted(told))}, and "
            f"{key.folder / KEY_FILE} {have}; restore that file from a backup: with another key nobody's rows "
            "could be joined or withdrawn (without it, `lakehouse retract` still takes whole versions back)"
        )
    return pseudonyms


def known_columns(terms: Iterable[Row]) -> set[str]:
    """Return every column of some terms that is a pseudonym in silver, as ``part.column``."""
    return {f"{row['part']}.{name}" for row in terms for name in columns_of(row)}


def columns_of(row: Row) -> tuple[str, ...]:
    """Return the columns that a row of terms names; none where it was written before there were pseudonyms."""
    return tuple((row.get("pseudonym_columns") or "").split())


def unmarked(terms: Iterable[Row], dataset: str, part: str, names: Iterable[str]) -> list[str]:
    """Return the versions of a dataset whose terms do not say that a column is a pseudonym by one of its names."""
    asked = set(names)
    return [
        row["dataset_version"]
        for row in terms
        if (row["dataset"], row["part"]) == (dataset, part) and not asked & set(columns_of(row))
    ]
