"""The Croissant suite: the verdict of our reader on every description, its words, and the records of local data."""

import json
import warnings
from itertools import islice
from pathlib import Path

from lakehouse.archive.metadata.croissant_reader import verdict
from tests.conformance.agreement import Agreement

# The library's own test asks for these records with this filter.
FILTERS = {"datasets/1.0/simple-split/metadata.json data": {"data/split": "train"}}


def descriptions(folder: Path) -> list[Path]:
    """Return every valid description: those that are no data and no expected records."""
    found = sorted((folder / "datasets").rglob("*.json"))
    return [path for path in found if not {"data", "output"} & set(path.parts[-3:-1])]


def document(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def judge_valid(folder: Path) -> Agreement:
    """Compare verdicts on what the suite calls valid."""
    agreement = Agreement("Croissant 0.8 and 1.0: valid descriptions accepted")
    for path in descriptions(folder):
        errors = verdict(document(path)).errors
        agreement.case(_name(path, folder), (), errors)
    return agreement


def judge_faulty(folder: Path) -> Agreement:
    """Compare the texts of errors on what the suite calls faulty."""
    agreement = Agreement("Croissant 0.8 and 1.0: faulty descriptions refused, in the suite's words")
    for path in sorted((folder / "bad_graphs").rglob("metadata.json")):
        said = (path.parent / "output.txt").read_text(encoding="utf-8")
        expected = sorted(line.removeprefix("  -  ") for line in said.splitlines() if line.startswith("  -  "))
        agreement.case(_name(path, folder), expected, sorted(verdict(document(path)).errors))
    return agreement


def judge_records(folder: Path) -> Agreement:
    """Read the records of descriptions whose data lie in the suite, and compare them with the suite's dumps."""
    agreement = Agreement("Croissant 0.8 and 1.0: records of local data")
    for path in descriptions(folder):
        sets = _record_sets(path)
        for dump in sorted((path.parent / "output").glob("*.jsonl")):
            if dump.stem not in sets:
                # One folder may hold several descriptions, each with dumps of its own.
                continue
            name = f"{_name(path, folder)} {dump.stem}"
            remote = _remote(document(path))
            if remote:
                agreement.left_out[name] = f"the data lie at {remote}"
                continue
            expected = [json.loads(line) for line in dump.read_text(encoding="utf-8").splitlines()]
            try:
                agreement.case(name, expected, _records(path, dump.stem, len(expected), FILTERS.get(name)))
            except Exception as error:  # noqa: BLE001 - whatever the library raises is its answer
                cause = _cause(error)
                if isinstance(cause, ModuleNotFoundError):
                    agreement.left_out[name] = f"reading it needs {cause.name}, which is not installed"
                else:
                    agreement.case(name, "records", f"{type(cause).__name__}: {cause}")
    return agreement


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _record_sets(path: Path) -> set[str]:
    listed = document(path).get("recordSet", [])
    return {str(each.get("@id") or each.get("name")) for each in listed} | {str(each.get("name")) for each in listed}


def _remote(content: dict) -> str | None:
    listed = content.get("distribution", [])
    addresses = [str(each.get("contentUrl", "")) for each in (listed if isinstance(listed, list) else [listed])]
    return next((address for address in addresses if address.startswith("http")), None)


def _records(path: Path, record_set: str, count: int, filters: dict[str, str] | None) -> list:
    from mlcroissant import Dataset
    from mlcroissant._src.tests.records import record_to_python

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = Dataset(str(path))
        return [record_to_python(record) for record in islice(dataset.records(record_set, filters=filters), count)]


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
