"""The record of a dataset version: all that outlives the data, written once as objects and one row of the register."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lakehouse.archive import citation
from lakehouse.archive.changes import Change, Held, changes
from lakehouse.archive.eds import Description
from lakehouse.archive.findings import Report
from lakehouse.archive.identifiers import Naming
from lakehouse.archive.metadata.forms import export, exporters
from lakehouse.archive.metadata.source import Record, record_of
from lakehouse.archive.metadata.wording import json_bytes, terms_in_words
from lakehouse.errors import ChecksumError, ObjectExistsError
from lakehouse.ports import DatasetVersion, ObjectStore

PREFIX = "records"
RECORD_FILE = "record.json"
RECORD_VERSION = "1.0"
VARIABLES_LENGTH = 20_000


@dataclass(frozen=True, slots=True)
class Sources:
    """What a record is made of. `previous` is the version before with the report on it, None for the first one."""

    folder: Path
    report: Report
    version: DatasetVersion
    sequence: int
    previous: tuple[DatasetVersion, Report] | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """The identifiers of a version: of its dataset, its own, and others that were registered for it, e.g. a DOI."""

    dataset: str
    version: str
    others: tuple[str, ...] = ()

    @property
    def cited(self) -> tuple[str, ...]:
        """The identifiers of the version, the one to cite first."""
        return (*self.others, self.version)


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """All files of a record by name, and its row for ``archive.records`` without the run columns."""

    files: Mapping[str, bytes]
    row: Mapping[str, object]

    @property
    def sha256(self) -> str:
        """The hash of all files, which names the record."""
        return str(self.row["record_sha256"])

    @property
    def folder(self) -> str:
        """The key below which the files lie."""
        return f"{PREFIX}/{self.row['dataset']}/{self.row['dataset_version']}/{self.sha256[:12]}"


def make_record(sources: Sources, names: Names, naming: Naming) -> VersionRecord:
    """Return the record of a version; the same sources and names give the same bytes."""
    version, description = sources.version, sources.report.description
    assert description is not None, "only what was accepted is saved as a version"
    record = named_record(sources.folder, version, names.cited, naming)
    record = replace(record, description=description)
    files = dict(citation.export(record))
    for form in exporters():
        files |= {f"{form}/{name}": body for name, body in export(record, form).items()}
    files[RECORD_FILE] = json_bytes(_told(sources, names, record, sorted(files)))
    return VersionRecord(files, _row(sources, names, record, _sha256(files)))


def named_record(
    folder: Path, version: DatasetVersion, cited: Sequence[str], naming: Naming, *, files_beside: bool = False
) -> Record:
    """Return what every form is written from: a version that lies in `folder`, with its identifiers and its page.

    The first of `cited` is the one to cite. The files are served below the version's page, or lie beside the metadata.
    """
    return record_of(
        folder,
        version=version,
        identifiers=cited,
        landing_url=naming.landing_url(version.dataset, version.version),
        files_url=None if files_beside else naming.files_url(version.dataset, version.version),
    )


def store_record(objects: ObjectStore, record: VersionRecord) -> None:
    """Write the files of a record, which are named by their content and so never change.

    Raises:
        ChecksumError: a file lies there already with other bytes.
    """
    for name, body in record.files.items():
        key = f"{record.folder}/{name}"
        try:
            objects.put_new(key, body)
        except ObjectExistsError as error:
            if objects.get(key) != body:
                raise ChecksumError(f"object {key!r} is not what its name says; delete it and run again") from error


def metadata_for_doi(record: VersionRecord) -> dict[str, object]:
    """Return what DataCite is to be told of a version."""
    attributes: dict[str, object] = json.loads(record.files["datacite/datacite.json"])
    return attributes


def is_personal(description: Description, personal_count: int) -> bool:
    """Say whether a dataset holds personal data: it declares subjects or personal columns, or values were found."""
    basis = description.consent.basis if description.consent else "not_personal"
    roles = (column.role for table in description.tables.values() for column in table.columns.values())
    declared = bool(description.subjects) or basis != "not_personal" or any(role != "none" for role in roles)
    return declared or personal_count > 0


def _told(sources: Sources, names: Names, record: Record, forms: Sequence[str]) -> dict[str, object]:
    version, report, description = sources.version, sources.report, record.description
    return {
        "record_version": RECORD_VERSION,
        "dataset": version.dataset,
        "version": version.version,
        "sequence": sources.sequence,
        "identifiers": {"dataset": names.dataset, "version": names.version, "others": list(names.others)},
        "url": record.url,
        "saved_at": version.created_at.isoformat(),
        "commit": version.commit,
        "tag": version.tag,
        "content_sha256": version.content_sha256,
        "description": description.model_dump(mode="json"),
        "terms": terms_in_words(description.terms) if description.terms else [],
        "personal": is_personal(description, report.personal_count),
        "table_rows": dict(report.table_rows),
        "document_count": report.document_count,
        "row_count": report.row_count,
        "size_bytes": record.size_bytes,
        "files": [asdict(file) for file in record.files],
        "fair": {"score": report.fair_score, "indicators": [asdict(each) for each in report.fair]},
        "previous": sources.previous[0].version if sources.previous else None,
        "changes": [asdict(change) for change in _changes(sources)],
        "forms": list(forms),
    }


def _changes(sources: Sources) -> tuple[Change, ...]:
    if sources.previous is None:
        return ()
    (version, before), after = sources.previous, sources.report
    assert before.description is not None, "only what was accepted is saved as a version"
    assert after.description is not None, "only what was accepted is saved as a version"
    return changes(
        Held(before.description, before.table_rows, version.content_sha256),
        Held(after.description, after.table_rows, sources.version.content_sha256),
    )


def _row(sources: Sources, names: Names, record: Record, sha256: str) -> dict[str, object]:
    version, report, description = sources.version, sources.report, record.description
    covered = description.temporal_coverage
    return {
        "dataset": version.dataset,
        "dataset_version": version.version,
        "record_sha256": sha256,
        "sequence": sources.sequence,
        "previous_version": sources.previous[0].version if sources.previous else None,
        "dataset_commit": version.commit,
        "content_sha256": version.content_sha256,
        "saved_at": version.created_at,
        "dataset_identifier": names.dataset,
        "version_identifier": names.cited[0],
        "title": description.title,
        "description": description.description,
        "keywords": json.dumps(description.keywords, ensure_ascii=False),
        "creators": json.dumps([creator.name for creator in description.creators], ensure_ascii=False),
        "publisher": description.publisher,
        "licence": description.licence,
        "language": description.language,
        "first_year": int(covered.start[:4]) if covered else None,
        "last_year": int(covered.end[:4]) if covered else None,
        "access": description.terms.access if description.terms else "open",
        "personal": is_personal(description, report.personal_count),
        "fair_score": report.fair_score,
        "row_count": report.row_count,
        "size_bytes": record.size_bytes,
        "file_count": len(record.files),
        "variables": _variables(description)[:VARIABLES_LENGTH],
    }


def _variables(description: Description) -> str:
    parts = (*description.tables, *description.texts, *description.events)
    columns = (name for table in description.tables.values() for name in table.columns)
    return " ".join(dict.fromkeys((*parts, *columns)))


def _sha256(files: Mapping[str, bytes]) -> str:
    listed = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return hashlib.sha256(listed.encode()).hexdigest()
