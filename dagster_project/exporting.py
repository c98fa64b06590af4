"""Writing a stored version or a folder as a package, from the command line."""

from pathlib import Path

from dagster_project.settings import Settings
from lakehouse.archive.held_folders import unpacked_place
from lakehouse.archive.metadata.package import write_package
from lakehouse.archive.metadata.source import Record, record_of
from lakehouse.archive.records import named_record
from lakehouse.errors import NoVersionError
from lakehouse.ports import DatasetVersion, DatasetVersions
from lakehouse.tables.records import IDENTIFIERS
from lakehouse.tables.write_audit_publish import Lakehouse


def export_to(
    settings: Settings, source: str, form: str, *, with_data: bool, out: Path | None
) -> tuple[Path, list[str]]:
    """Write `source`, which is ``dataset@version`` or a folder, and return the new folder and its files.

    Without its data, a stored version is written as the catalogue has it. Before it has a record, it has no identifiers
    and no page.

    Raises:
        ServiceUnavailableError: the lake, which knows the identifiers of stored versions, does not answer.
        NoVersionError: no such version is stored and no such folder is there.
        OutputExistsError: the folder to write is there already.
    """
    if Path(source).is_dir():
        return _write(record_of(Path(source)), form, Path(source), with_data=with_data, out=out)
    from dagster_project.wiring import lakehouse, naming, versions

    store = versions(settings)
    version = _stored(store, source)
    cited = _cited(lakehouse(settings), version)
    with unpacked_place() as name:
        folder = name / "dataset"
        folder.mkdir()
        store.export(version, folder)
        if cited:
            record = named_record(folder, version, cited, naming(settings), files_beside=with_data)
        else:
            record = record_of(folder, version=version)
        return _write(record, form, folder, with_data=with_data, out=out)


def _cited(house: Lakehouse, version: DatasetVersion) -> list[str]:
    """Return the identifiers of a version, the one to cite first: what was registered for it, then its ARK."""
    pin = house.releases.current_or_empty().tables.get(IDENTIFIERS.name)
    rows = house.tables.read(IDENTIFIERS.name, snapshot_id=pin.snapshot_id).to_pylist() if pin else []
    mine = [row for row in rows if (row["dataset"], row["dataset_version"]) == (version.dataset, version.version)]
    return [str(row["identifier"]) for row in sorted(mine, key=lambda row: row["scheme"] == "ARK")]


def _stored(store: DatasetVersions, key: str) -> DatasetVersion:
    dataset, _, label = key.partition("@")
    version = store.find(dataset, label) if dataset and label else None
    if version is None:
        known = ", ".join(each.version for each in store.versions(dataset)) if dataset else ""
        there = f"; {dataset} has the versions {known}" if known else ""
        raise NoVersionError(
            f"{key!r} is neither a folder nor a stored version{there}; name a folder or DATASET@VERSION"
        )
    return version


def _write(record: Record, form: str, data: Path, *, with_data: bool, out: Path | None) -> tuple[Path, list[str]]:
    into = out or Path(f"{record.description.name}-{record.version}-{form}")
    return into, write_package(record, form, into, data=data if with_data else None)
