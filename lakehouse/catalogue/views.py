"""What pages and the JSON API say of datasets and versions, as plain values: one truth for both."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from lakehouse.catalogue.holdings import Holdings, Removal, Version
from lakehouse.catalogue.index import Entry, Found
from lakehouse.catalogue.library import Library
from lakehouse.catalogue.obtain import ways
from lakehouse.catalogue.requesting import Request, request_for

Told = dict[str, Any]


def found(search: Found, *, page: int, size: int) -> Told:
    """Return one page of results."""
    return {
        "total": search.total,
        "page": page,
        "size": size,
        "datasets": [summary(entry) for entry in search.entries],
        "facets": {
            facet: [{"value": one.value, "count": one.count, "chosen": one.chosen} for one in choices]
            for facet, choices in search.facets.items()
        },
    }


def summary(entry: Entry) -> Told:
    """Return what a search result says of a dataset."""
    row = entry.version.row
    return {
        "dataset": entry.dataset,
        "url": page(entry.dataset),
        "identifier": row["dataset_identifier"],
        "title": row["title"],
        "description": row["description"],
        "version": entry.version.label,
        "versions": entry.version_count,
        "saved_at": row["saved_at"],
        "licence": row["licence"],
        "keywords": entry.version.keywords,
        "creators": entry.version.creators,
        "first_year": row["first_year"],
        "last_year": row["last_year"],
        "access": row["access"],
        "personal": row["personal"],
        "fair_score": row["fair_score"],
        "rows": row["row_count"],
        "bytes": row["size_bytes"],
        "removed": removal(entry.version.removal),
    }


def dataset(holdings: Holdings, name: str) -> Told:
    """Return what is said of a dataset as a whole: its newest version in short, and all versions."""
    newest = holdings.newest(name)
    assert newest is not None, "asked for a dataset that is there"
    versions = holdings.versions[name]
    return {
        **summary(Entry(name, newest, len(versions))),
        "all_versions": [
            {
                "version": one.label,
                "url": page(name, one.label),
                "identifier": one.row["version_identifier"],
                "saved_at": one.row["saved_at"],
                "rows": one.row["row_count"],
                "commit": one.row["dataset_commit"],
                "removed": removal(one.removal),
            }
            for one in reversed(versions)
        ],
    }


def version(library: Library, one: Version) -> Told:
    """Return everything said of a version: its record, where its rows are, and how to get it."""
    holdings = library.holdings
    record: Mapping[str, Any] = library.record(one)
    url = page(str(one.row["dataset"]), one.label)
    return {
        **record,
        "newest": holdings.newest(str(one.row["dataset"])) is one,
        "removed": removal(one.removal),
        "withdrawn": [asdict(gone) for gone in one.withdrawals],
        "record_sha256": one.row["record_sha256"],
        "recorded_at": one.row["recorded_at"],
        "release": holdings.release,
        "forms": [{"name": name, "url": f"{url}/metadata/{name}"} for name in record["forms"]],
        "rows_url": f"{url}/rows",
        "tables": [
            {
                "table": load.table,
                "layer": load.layer,
                "rows": load.row_count,
                "snapshot": getattr(holdings.pointers.get(load.table), "snapshot_id", None),
                "run": load.run_id,
                "code": load.code_commit,
            }
            for load in one.loads
        ],
        "request": _request(request_for(library, one)),
        "ways": [{"name": way.name, "note": way.note, "lines": list(way.lines)} for way in ways(library, one)],
    }


def _request(asked: Request | None) -> Told | None:
    return None if asked is None else asdict(asked)


def removal(gone: Removal | None) -> Told | None:
    """Return why data are gone; None when they are there."""
    if gone is None:
        return None
    return {"reason": gone.reason, "decided_by": gone.decided_by, "removed_at": gone.removed_at}


def page(name: str, label: str | None = None) -> str:
    """Return the path of the page of a dataset or version."""
    return f"/datasets/{quote(name)}/{quote(label)}" if label else f"/datasets/{quote(name)}"
