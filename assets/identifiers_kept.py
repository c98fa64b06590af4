"""Which columns of a version silver holds as pseudonyms: decided with its terms, kept to when its rows are stored."""

import pyarrow as pa
import pyarrow.compute as pc

from assets.house import current_release, read_released
from lakehouse.archive.deidentified import EVENT_COLUMNS, Deidentified
from lakehouse.archive.eds import Description
from lakehouse.archive.pseudonym_terms import Row, kept, known_columns, planned, unmarked, with_keys_in_use
from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.errors import PseudonymError
from lakehouse.ports import DatasetVersion
from lakehouse.tables.records import TOMBSTONES
from lakehouse.tables.register import TERMS
from lakehouse.tables.write_audit_publish import Lakehouse


def to_be_hidden(house: Lakehouse, description: Description, version: DatasetVersion, key: SilverKey) -> Deidentified:
    """Return what silver will hold as pseudonyms of a version; what its terms say where these are published.

    Raises:
        PseudonymError: the lake's pseudonyms were made with another key.
    """
    terms = _terms(house)
    if any((row["dataset"], row["dataset_version"]) == (version.dataset, version.version) for row in terms):
        return kept(terms, version.dataset, version.version, key)
    return planned(terms, description, key)


def hidden_in_silver(
    house: Lakehouse, description: Description, version: DatasetVersion, key: SilverKey, *, already_stored: bool
) -> Deidentified:
    """Return what silver holds as pseudonyms of a version, by its terms.

    Raises:
        PseudonymError: the lake's pseudonyms were made with another key, or of the same columns some versions would
            have values as they were submitted and others pseudonyms, which could not be joined.
    """
    terms = _terms(house)
    found = kept(terms, version.dataset, version.version, key)
    if already_stored:
        return found
    raw = {*_as_submitted(house, terms, description, version, found), *_left_out(terms, description, version, found)}
    if raw:
        raise PseudonymError(
            f"silver would have {', '.join(sorted(raw))} as submitted in some versions of {version.dataset} and as "
            f"pseudonyms in others; run `lakehouse pseudonymise {version.dataset}`, then this submission again"
        )
    return found


def _terms(house: Lakehouse) -> list[Row]:
    return with_keys_in_use(read_released(house, TERMS).to_pylist(), read_released(house, TOMBSTONES).to_pylist())


def _as_submitted(
    house: Lakehouse, terms: list[Row], description: Description, version: DatasetVersion, found: Deidentified
) -> list[str]:
    """Return the columns, as ``part.column``, of which rows of other versions hold what was submitted."""
    raw = []
    for part, columns in found.columns.items():
        about = description.tables.get(part)
        for column in columns:
            formerly = about.columns[column].formerly if about is not None and column in about.columns else ()
            labels = unmarked(terms, version.dataset, part, (column, *formerly))
            others = [label for label in labels if label != version.version]
            if any(_holds(house, f"silver.{version.dataset}_{part}", label, (column, *formerly)) for label in others):
                raw.append(f"{part}.{column}")
    return raw


def _left_out(terms: list[Row], description: Description, version: DatasetVersion, found: Deidentified) -> list[str]:
    """Return the columns that have pseudonyms in other versions, and not by this one's terms, which came first."""
    columns = {f"{name}.{column}" for name, table in description.tables.items() for column in table.columns}
    columns |= {f"{name}.{column}" for name in description.events for column in EVENT_COLUMNS}
    mine = {f"{part}.{name}" for part, names in found.columns.items() for name in names}
    return sorted((known_columns(row for row in terms if row["dataset"] == version.dataset) & columns) - mine)


def _holds(house: Lakehouse, table: str, label: str, names: tuple[str, ...]) -> bool:
    """Say whether a version's rows have a value in a column, by one of its names."""
    pin = current_release(house).tables.get(table)
    if pin is None:
        return False
    where = {"dataset_version": label}
    there = house.tables.head(table, 1, where=where, snapshot_id=pin.snapshot_id)
    known = [name for name in names if name in there.column_names]
    if not known or there.num_rows == 0:
        return False
    rows = house.tables.read(table, columns=[known[0], "dataset_version"], snapshot_id=pin.snapshot_id)
    mine = rows.filter(pc.equal(rows["dataset_version"], pa.scalar(label)))
    return mine.num_rows > mine[known[0]].null_count
