"""What a package of another standard says, gathered in the words of the EDS, with what could not be taken over."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from lakehouse.archive.layout import RESERVED_COLUMNS
from lakehouse.archive.letters import stripped

RemarkKind = Literal[
    "descriptor_invalid",
    "descriptor_faulty",
    "data_remote",
    "path_unsafe",
    "file_missing",
    "file_unreadable",
    "part_left_out",
    "consent_untold",
    "value_assumed",
    "name_changed",
    "type_widened",
    "constraint_dropped",
]
LONGEST_NAME = 63
MOST_REASONS = 10
DELIMITERS = (",", ";", "\t", "|")
_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to tell about a package: `place` names the part of it, `reason` says what was met or done."""

    kind: RemarkKind
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How a delimited text file is written; the defaults are those of the EDS."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    skip_blank: bool = False
    header: bool = True
    comment: str | None = None
    encoding: str = "utf-8"


@dataclass(slots=True)
class IncomingTable:
    """A table on its way in: `labels` maps what stands in the files' headers to the columns' new names.

    `rows` holds the cells of a table that is written out in the descriptor itself.
    """

    name: str
    description: str
    grain: str
    files: list[Path]
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    primary_key: list[str] = field(default_factory=list)
    layout: Layout = Layout()
    rows: list[list[str]] | None = None


@dataclass(slots=True)
class IncomingTexts:
    """A text collection on its way in; its files stay as they are."""

    name: str
    title: str
    description: str
    files: list[Path]
    licence: str | None = None


@dataclass(slots=True)
class IncomingLog:
    """An event log on its way in; its files stay as they are."""

    name: str
    title: str
    description: str
    files: list[Path]
    xapi_version: str


@dataclass(slots=True)
class Incoming:
    """All that a package says; `fields` are those of ``dataset.yaml``, without those that the package leaves out.

    `plain` makes the letters of names plain ones. A package's names are made anew for each of its versions, so they
    keep the way that was there first: another would rename columns of stored versions, and change the package's hash.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    tables: list[IncomingTable] = field(default_factory=list)
    texts: list[IncomingTexts] = field(default_factory=list)
    logs: list[IncomingLog] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    plain: Callable[[str], str] = stripped
    former: dict[str, list[str]] = field(default_factory=dict)
    """By table, and under "" for the parts themselves: the names that the way that was there first gives."""

    def say(self, kind: RemarkKind, place: str, reason: str) -> None:
        """Add a remark; the same one again is not said twice."""
        remark = Remark(kind, place, reason)
        if remark not in self.remarks:
            self.remarks.append(remark)

    def say_all(self, kind: RemarkKind, place: str, reasons: list[str]) -> None:
        """Add one remark with several reasons, as many as a reader takes in."""
        if reasons:
            more = f"; and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
            self.say(kind, place, "; ".join(reasons[:MOST_REASONS]) + more)

    def part_name(self, text: str, place: str) -> str:
        """Return a name for a table or collection that no other part has."""
        taken = [table.name for table in self.tables]
        taken += [texts.name for texts in self.texts] + [log.name for log in self.logs]
        name = slug(text, taken, "part", self.plain)
        known = self._known("", text, name, "part", ())
        if name != text or known:
            self.say("name_changed", place, f"'{text}' is called '{name}'{known}")
        return name

    def column_name(self, text: str, table: str, taken: Iterable[str]) -> str:
        """Return a name for a column that no other column of the table has."""
        name = slug(text, [*taken, *RESERVED_COLUMNS], "column", self.plain)
        known = self._known(table, text, name, "column", RESERVED_COLUMNS)
        if name != text or known:
            self.say("name_changed", f"tables/{table}: {name}", f"column '{text}' is called '{name}'{known}")
        return name

    def _known(self, owner: str, text: str, name: str, fallback: str, reserved: Iterable[str]) -> str:
        """Return what to say where the way that was there first gives another name than `name`."""
        former = self.former.setdefault(owner, [])
        former.append(slug(text, [*former, *reserved], fallback))
        how = "call it so, or say so by `formerly`" if fallback == "column" else "call it so"
        return "" if former[-1] == name else f"; where it is stored as '{former[-1]}', {how}"

    def located(self, folder: Path, text: str, place: str) -> Path | None:
        """Return a file of the package, or None after saying why its path is not taken."""
        if _REMOTE.match(text) or text.startswith("//"):
            self.say("data_remote", place, f"the data lie at {text[:200]}")
            return None
        parts = PurePosixPath(text.replace("\\", "/")).parts
        if not parts or text.startswith(("/", "~")) or ".." in parts:
            self.say("path_unsafe", place, f"the path {text[:200]!a}")
            return None
        path = folder.joinpath(*parts)
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            self.say("file_missing", place, f"the file {text[:200]!a}")
            return None
        return path


def slug(text: str, taken: Iterable[str], fallback: str, plain: Callable[[str], str] = stripped) -> str:
    """Return a name as the EDS allows it, made of `text` and none of those taken."""
    name = re.sub(r"[^a-z0-9]+", "_", plain(text)).strip("_") if not re.fullmatch(r"[a-z][a-z0-9_]*", text) else text
    if not name or not name[0].isalpha():
        name = f"{fallback}_{name}".rstrip("_")
    name = name[:LONGEST_NAME]
    others, number, found = set(taken), 1, name
    while found in others:
        number += 1
        found = f"{name[: LONGEST_NAME - len(str(number)) - 1]}_{number}"
    return found


def text_of(value: object) -> str | None:
    """Return the text of a value: itself, or of several languages the first; None when there is none."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Mapping):
        chosen = value.get("") or value.get("en") or next(iter(value.values()), None)
        return text_of(chosen) if isinstance(chosen, str) else None
    return None


def texts_of(value: object) -> list[str]:
    """Return every text of a list, of a lone value or of a line with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [text for each in value if (text := text_of(each))] if isinstance(value, list) else []


def mappings_of(value: object) -> list[Mapping[str, Any]]:
    """Return every mapping of a list or a lone one."""
    listed = value if isinstance(value, list) else [value]
    return [each for each in listed if isinstance(each, Mapping)]


def http_address(value: object) -> str | None:
    """Return a value that is an address, else None."""
    text = text_of(value)
    return text if text and re.match(r"https?://\S+$", text) else None


def version_label(package: Incoming, stated: object) -> str | None:
    """Return a version label as the EDS allows it."""
    text = text_of(stated)
    if text is None:
        return None
    label = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).lstrip("._-")[:64]
    if label != text:
        package.say("name_changed", "version", f"'{text}' is called '{label}'")
    return label or None


def identify(package: Incoming, name: str | None, version: object) -> None:
    """Set the fields that name the dataset."""
    label = version_label(package, version)
    if name:
        package.fields["name"] = slug(name, (), "dataset")
        if package.fields["name"] != name:
            package.say("name_changed", "name", f"'{name}' is called '{package.fields['name']}'")
    if label:
        package.fields["version"] = label


def assume(package: Incoming, name: str, value: object, reason: str) -> None:
    """Fill a field that the package leaves out, and say so."""
    if name not in package.fields and value:
        package.fields[name] = value
        package.say("value_assumed", f"dataset.yaml: {name}", reason)


def complete(package: Incoming) -> None:
    """Fill what follows from the rest: a title from the name, a description from the title."""
    fields = package.fields
    assume(package, "title", fields.get("name"), "the name stands for the title")
    assume(package, "description", fields.get("title"), "the title stands for the description")
    assume(package, "accumulates", "snapshots", "every version is taken as whole, so that it replaces the one before")
    fields.setdefault("eds_version", "1.0")
