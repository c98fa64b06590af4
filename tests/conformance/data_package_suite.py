"""The Data Package examples: the verdict of our reader against the folders' names and against the field's library."""

import shutil
import socket
from pathlib import Path

from lakehouse.archive.landing import land
from lakehouse.archive.validate import validate
from tests.conformance.agreement import Agreement

# What the EDS asks for besides: a package can be sound and lack these.
ONLY_HERE = ("FIELD_MISSING", "LICENCE_", "PERSONAL_", "NOTHING_INSIDE")
SIZES = "datasets/packages/types-formats-and-constraints"


def packages(folder: Path) -> list[Path]:
    """Return the folder of every example."""
    found = sorted((folder).rglob("datapackage.json"))
    return [path.parent for path in found if "profiles" not in path.parts]


def faults(package: Path, work: Path) -> list[str]:
    """Return the codes of our findings that are faults of a package, not needs of ours."""
    copied = work / "package"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(package, copied)
    landed = land(copied, work / "landed")
    report = validate(landed.folder, submission="example@1", content_sha256=landed.content_sha256)
    errors = {each.code for each in report.findings if each.level == "error" or each.code == "PACKAGE_FAULTY"}
    return sorted(code for code in errors if not code.startswith(ONLY_HERE))


def judge_names(folder: Path, work: Path) -> Agreement:
    """Compare our verdicts with what the names of the folders say."""
    agreement = Agreement("Data Package examples: verdict as the folder is named")
    for package in packages(folder):
        name = package.relative_to(folder).as_posix()
        if name.startswith(SIZES):
            agreement.left_out[name] = "its name says nothing, and it holds good and bad values side by side"
            continue
        found = faults(package, work)
        expected = "invalid" if package.name.startswith("invalid-") else "valid"
        verdict = "invalid" if found else "valid"
        agreement.case(name, expected, verdict if verdict == expected else f"{verdict}: {', '.join(found)}")
    return agreement


def judge_library(folder: Path, work: Path) -> Agreement:
    """Compare our verdicts with those of the field's library, which is not let out to the network either."""
    agreement = Agreement("Data Package examples: verdict as the Frictionless library's")
    for package in packages(folder):
        name = package.relative_to(folder).as_posix()
        theirs = _library(package)
        ours = faults(package, work)
        same = bool(theirs) == bool(ours)
        agreement.case(name, theirs, theirs if same else f"{ours or 'valid'}")
    return agreement


def _library(package: Path) -> list[str]:
    from frictionless import FrictionlessException, Package

    allowed = socket.socket.connect
    socket.socket.connect = _refused  # type: ignore[method-assign]
    try:
        report = Package(str(package / "datapackage.json")).validate()
        return sorted({str(each[0]) for each in report.flatten(["type"])})
    except FrictionlessException as error:
        return sorted({each.type for each in error.reasons or [error.error]})
    finally:
        socket.socket.connect = allowed  # type: ignore[method-assign]


def _refused(*_arguments: object) -> None:
    raise OSError("no connection leaves this test")
