"""How to get a version: the commands and statements that fetch it by DataLad, S3, SQL and as a package."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lakehouse.catalogue.holdings import Holdings, Version
from lakehouse.catalogue.library import Address, Library
from lakehouse.catalogue.previews import decide, parts_of
from lakehouse.policy.decisions import Decision
from lakehouse.policy.first_look import first_look

SHOWN_ROWS = 100
SAFE = re.compile(r"^[A-Za-z0-9._/@:=+-]+$")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to get the data: its name, what to know, and the lines to type."""

    name: str
    note: str
    lines: tuple[str, ...]


def ways(library: Library, version: Version) -> tuple[Way, ...]:
    """Return every way to get a version whose data are there; none for one whose data are gone."""
    if version.removal is not None:
        return ()
    holdings, address = library.holdings, library.address
    return tuple(
        way
        for way in (
            _datalad(version, address),
            _sql(library, holdings, version),
            _s3(version, holdings, address),
            _export(version),
        )
        if way is not None
    )


def _datalad(version: Version, address: Address) -> Way:
    dataset, label = str(version.row["dataset"]), version.label
    source = _word(f"{address.datasets.rstrip('/')}/{dataset}")
    files = (
        "The files without the people who were withdrawn" if version.withdrawals else "The files exactly as submitted"
    )
    return Way(
        "DataLad",
        f"{files}, with every earlier version; each is checked against its checksum.",
        (
            f"datalad clone {source} {dataset}",
            f"cd {dataset}",
            f"git checkout {version.row['dataset_commit'][:12]}  # version {label}",
            "datalad get .",
        ),
    )


def _sql(library: Library, holdings: Holdings, version: Version) -> Way | None:
    dataset = str(version.row["dataset"])
    decisions = {part: decide(library, holdings, dataset, part) for part in parts_of(version)}
    statements = tuple(
        first_look(decision, f"silver.{dataset}_{part}", version.label, SHOWN_ROWS)
        for part, decision in decisions.items()
    )
    if not statements:
        return None
    where = f" at {library.address.sql_uri}" if library.address.sql_uri else ""
    note = f"Typed rows over Arrow Flight, in Dremio's protocol{where}."
    return Way("SQL", " ".join([note, *_refusals(dataset, decisions)]), statements)


def _refusals(dataset: str, decisions: Mapping[str, Decision]) -> Iterator[str]:
    """Say of which tables the statements are refused, and why, to whoever has not said who they are."""
    refused: dict[str, list[str]] = {}
    for part, decision in decisions.items():
        if not decision.permitted:
            refused.setdefault(decision.reason, []).append(f"silver.{dataset}_{part}")
    for reason, tables in refused.items():
        yield f"{', '.join(tables)} only as a user who may; anyone else is refused: {reason}."


def _s3(version: Version, holdings: Holdings, address: Address) -> Way | None:
    pointers = [holdings.pointers[load.table] for load in version.loads if load.table in holdings.pointers]
    silver = [pointer for pointer in pointers if pointer.name.startswith("silver.")]
    if not silver or not address.s3_endpoint:
        return None
    note = (
        f"Iceberg tables in the object store at {address.s3_endpoint}; ask the archive for keys. "
        f"The metadata of this version lie in s3://{address.s3_bucket}/{version.folder}/."
    )
    return Way("S3", note, tuple(f"{pointer.metadata_location}  # {pointer.name}" for pointer in silver))


def _export(version: Version) -> Way:
    key = f"{version.row['dataset']}@{version.label}"
    return Way(
        "Export",
        "The dataset as a package for others, on the archive's own machine.",
        (f"lakehouse export {key} --format croissant --with-data",),
    )


def _word(text: str) -> str:
    return text if SAFE.match(text) else "'" + text.replace("'", "'\\''") + "'"
