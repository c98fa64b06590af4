"""What submissions call themselves: `<name>@<version>`, read by a child process, since a description is hostile too."""

import errno
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.archive.apart import Costs, do_apart
from lakehouse.archive.layout import DESCRIPTION_FILE
from lakehouse.archive.metadata.stated import DESCRIPTORS, LARGEST_DESCRIPTOR, stated_in
from lakehouse.archive.strict_yaml import MAX_BYTES, YamlFaultError, read_yaml
from lakehouse.archive.unpacking import member, packing_of, stem_of
from lakehouse.errors import PermanentError

MAX_KEY_LETTERS = 120
UNDESCRIBED = "undescribed"
KEY = re.compile(r"[a-z0-9_.@-]+")
# A name stands in the first file or two; one that takes longer to find is not looked for.
DEFAULT_COSTS = Costs(
    memory_bytes=2 << 30, cpu_seconds=120, wall_seconds=300.0, file_bytes=16 << 20, answer_bytes=16 << 20
)
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Named:
    """The key that a submission gives itself; or the number of the system's error, and the key of its file's name."""

    key: str
    errno: int | None = None


@dataclass(slots=True)
class StatedKeys:
    """Keys by path and fingerprint: a submission that has not changed is not read again by this process."""

    _known: "OrderedDict[tuple[Path, str], Named]" = field(default_factory=OrderedDict)

    def of(self, submissions: Mapping[Path, str]) -> dict[Path, Named]:
        """Return the key of each of these paths, given with their fingerprints; one process reads all that are new."""
        new = [path for path, fingerprint in submissions.items() if (path, fingerprint) not in self._known]
        for path, named in keys_in_child(new).items():
            self._known[path, submissions[path]] = named
        found = {path: self._known[path, fingerprint] for path, fingerprint in submissions.items()}
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found


def keys_in_child(paths: Sequence[Path], costs: Costs = DEFAULT_COSTS) -> dict[Path, Named]:
    """Return the key of each folder or archive; those that cost more than the limits have the key of their file's name.

    Raises:
        ServiceUnavailableError: the child could not be started.
    """
    if not paths:
        return {}
    answer = do_apart("name", {"paths": [str(path.absolute()) for path in paths]}, costs)
    if isinstance(answer, list) and len(answer) == len(paths):
        return {path: _believed(path, said) for path, said in zip(paths, answer, strict=True)}
    if len(paths) == 1:
        return {paths[0]: Named(_key(paths[0], None, None))}
    # One of them is at fault, and the others must not be named after their files for it.
    return {path: named for each in paths for path, named in keys_in_child([each], costs).items()}


def keys_here(paths: Iterable[str]) -> list[dict[str, object]]:
    """Return the key, or the number of the error, of each folder or archive, read in this process."""
    return [_named(Path(path)) for path in paths]


def _believed(path: Path, said: object) -> Named:
    told = said if isinstance(said, dict) else {}
    key, number = str(told.get("key")), told.get("errno")
    fits = KEY.fullmatch(key) and len(key) <= MAX_KEY_LETTERS and key.count("@") == 1
    return Named(key if fits else _key(path, None, None), number if isinstance(number, int) else None)


def _named(path: Path) -> dict[str, object]:
    try:
        return {"key": _key(path, *_stated(path)), "errno": None}
    except OSError as error:
        return {"key": _key(path, None, None), "errno": error.errno or errno.EIO}
    except PermanentError:
        # Landing it says what is wrong with it; here it only has no name.
        return {"key": _key(path, None, None), "errno": None}


def _key(path: Path, name: str | None, version: str | None) -> str:
    stem = stem_of(path)
    key = f"{_plain(name) if name else _plain(stem.partition('@')[0])}@{_plain(version) if version else UNDESCRIBED}"
    return key[:MAX_KEY_LETTERS]


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip(".-") or "unnamed"


def _stated(path: Path) -> tuple[str | None, str | None]:
    body = _file(path, DESCRIPTION_FILE, MAX_BYTES)
    if body is not None:
        return _names(body)
    for name in DESCRIPTORS:
        body = _file(path, name, LARGEST_DESCRIPTOR)
        if body is not None and (said := stated_in(name, body)) is not None:
            return said
    return None, None


def _file(path: Path, name: str, largest: int) -> bytes | None:
    """Return a file at the root, or in an archive's one folder, and a byte more of it than is taken."""
    if path.is_dir():
        place = path / name
        if place.is_symlink() or not place.is_file():
            return None
        with place.open("rb") as stream:
            return stream.read(largest + 1)
    packing = packing_of(path)
    wanted = re.compile(rf"(?:[^/]+/)?{re.escape(name)}")
    return member(path, packing, lambda entry: wanted.fullmatch(entry) is not None, largest + 1) if packing else None


def _names(body: bytes) -> tuple[str | None, str | None]:
    try:
        fields = read_yaml(body)
    except YamlFaultError:
        return None, None
    if not isinstance(fields, dict):
        return None, None
    name, version = fields.get("name"), fields.get("version")
    if name is None or version is None or isinstance(name, dict | list) or isinstance(version, dict | list):
        return None, None
    return str(name), str(version)
