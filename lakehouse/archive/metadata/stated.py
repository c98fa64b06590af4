"""The descriptor of a package of another standard: which file it is, its JSON, and what name and version it states."""

import json
from pathlib import Path
from typing import Any

from lakehouse.archive.layout import DESCRIPTION_FILE
from lakehouse.archive.metadata.croissant_reader import looks_like_croissant
from lakehouse.archive.metadata.incoming import slug, text_of

DATA_PACKAGE, CROISSANT = "datapackage.json", ("croissant.json", "metadata.json")
DESCRIPTORS = (DATA_PACKAGE, *CROISSANT)
LARGEST_DESCRIPTOR = 20_000_000


def parsed(body: bytes) -> tuple[dict[str, Any], str]:
    """Return the object that a descriptor holds and what is wrong with it: one of them is empty."""
    if len(body) > LARGEST_DESCRIPTOR:
        return {}, f"more than {LARGEST_DESCRIPTOR} bytes"
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return {}, f"not UTF-8 at byte {error.start}"
    except json.JSONDecodeError as error:
        return {}, f"no JSON: {error.msg} in line {error.lineno}"
    except RecursionError:
        return {}, "nested too deeply"
    except ValueError:
        return {}, "a whole number of too many digits"
    return (document, "") if isinstance(document, dict) else ({}, "the file must hold one JSON object")


def is_descriptor(name: str, document: dict[str, Any]) -> bool:
    """Say whether a file of this name and content describes a package; a metadata.json may be anything."""
    return name != "metadata.json" or looks_like_croissant(document)


def is_package(folder: Path) -> bool:
    """Say whether a folder holds a package that can be adopted."""
    return descriptor_of(folder) is not None


def descriptor_of(folder: Path) -> tuple[str, dict[str, Any], str] | None:
    """Return the name, the content and the fault of a package's descriptor; None when there is no package."""
    if (folder / DESCRIPTION_FILE).exists():
        return None
    for name in DESCRIPTORS:
        body = _head(folder / name)
        if body is None:
            continue
        document, fault = parsed(body)
        if is_descriptor(name, document):
            return name, document, fault
    return None


def _head(path: Path) -> bytes | None:
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as stream:
        return stream.read(LARGEST_DESCRIPTOR + 1)


def stated_in(name: str, body: bytes) -> tuple[str | None, str | None] | None:
    """Return the name and version that a descriptor states, as the EDS writes them; None when it is of no package."""
    document = parsed(body)[0]
    if not document or not (name == DATA_PACKAGE or looks_like_croissant(document)):
        return None
    stated, version = text_of(document.get("name")), text_of(document.get("version"))
    return slug(stated, (), "dataset") if stated else None, version.lower() if version else None
