"""The one record of a dataset from which every metadata form is written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from lakehouse.archive.content_hash import file_sha256
from lakehouse.archive.eds import Description, load_description
from lakehouse.errors import UnreadableSubmissionError
from lakehouse.ports import DatasetVersion

Scheme = Literal["DOI", "ARK", "URN", "URL", "Other"]
Compression = Literal["gzip", "zstd"]

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".pdf": "application/pdf",
}
COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}
# Numbers of this authority are for tests: no resolver of the world knows whose they are.
TEST_NAAN = "99999/"
UNKNOWN_MEDIA_TYPE = "application/octet-stream"

_DOI = re.compile(r"^(?:https?://(?:dx\.)?doi\.org/|doi:)?(10\.\d{4,9}/\S+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the dataset; `media_type` speaks of its content, `compression` of what is wrapped around it."""

    path: str
    size_bytes: int
    sha256: str
    media_type: str
    compression: Compression | None = None


@dataclass(frozen=True, slots=True)
class Identifier:
    """A persistent identifier with its scheme; a DOI is kept bare, ``10.1234/abc``."""

    scheme: Scheme
    value: str

    @property
    def url(self) -> str | None:
        """Where the identifier resolves; None when its scheme has no resolver."""
        if self.scheme == "DOI":
            return f"https://doi.org/{self.value}"
        if self.scheme == "ARK" and TEST_NAAN not in self.value:
            return f"https://n2t.net/{self.value}"
        return self.value if self.scheme == "URL" else None


@dataclass(frozen=True, slots=True)
class Record:
    """What a version of a dataset is: its description, its files, and what the archive knows about it.

    `created_at` is when the version was stored, or when the record was made of a folder that is not stored. The first
    of `identifiers` is the one to cite. `files_url` is where the files are served; without it they lie beside the
    metadata.
    """

    description: Description
    version: str
    files: tuple[FileEntry, ...]
    created_at: datetime
    commit: str | None = None
    content_sha256: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    landing_url: str | None = None
    files_url: str | None = None

    @property
    def key(self) -> str:
        """The version's name in the archive, ``dataset@version``."""
        return f"{self.description.name}@{self.version}"

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def url(self) -> str | None:
        """Where to find the dataset: its landing page, else its identifier, else where it was taken from."""
        resolved = (identifier.url for identifier in self.identifiers)
        return self.landing_url or next((url for url in resolved if url), None) or self.description.source_url

    def file_url(self, file: FileEntry) -> str:
        """Return where a file is: an address, or its path beside the metadata as a relative address."""
        path = quote(file.path)
        return f"{self.files_url.rstrip('/')}/{path}" if self.files_url else path

    def files_in(self, folder: str) -> tuple[FileEntry, ...]:
        """Return the data files that lie directly in a folder, without description files."""
        inside = (file for file in self.files if file.path.rpartition("/")[0] == folder)
        return tuple(file for file in inside if file.media_type != MEDIA_TYPES[".yaml"])


def identifier(text: str) -> Identifier:
    """Return an identifier with the scheme its text shows."""
    doi = _DOI.match(text)
    if doi:
        return Identifier("DOI", doi.group(1))
    lowered = text.lower()
    for prefix, scheme in _PREFIXES.items():
        if lowered.startswith(prefix):
            return Identifier(scheme, text)
    return Identifier("Other", text)


_PREFIXES: dict[str, Scheme] = {"ark:": "ARK", "urn:": "URN", "https://": "URL", "http://": "URL"}


def record_of(
    folder: Path,
    *,
    version: DatasetVersion | None = None,
    identifiers: Sequence[str] = (),
    landing_url: str | None = None,
    files_url: str | None = None,
) -> Record:
    """Return the record of a dataset's folder; `version` says which stored version the folder holds.

    Raises:
        UnreadableSubmissionError: the folder is not there.
        NoDescriptionError: its description is missing or at fault.
    """
    if not folder.is_dir():
        raise UnreadableSubmissionError(f"{folder} is no folder; name the folder of a dataset")
    description = load_description(folder)
    return Record(
        description=description,
        version=version.version if version else description.version,
        files=file_entries(folder),
        commit=version.commit if version else None,
        content_sha256=version.content_sha256 if version else None,
        created_at=version.created_at if version else datetime.now(UTC),
        identifiers=tuple(identifier(text) for text in identifiers),
        landing_url=landing_url,
        files_url=files_url,
    )


def file_entries(folder: Path) -> tuple[FileEntry, ...]:
    """Return every file of a folder with size, checksum and media type, sorted by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return tuple(_entry(path, path.relative_to(folder).as_posix()) for path in paths)


def _entry(path: Path, name: str) -> FileEntry:
    media_type, compression = media_type_of(name)
    return FileEntry(name, path.stat().st_size, file_sha256(path), media_type, compression)


def media_type_of(name: str) -> tuple[str, Compression | None]:
    """Return the media type of what a file of that name holds, and how it is compressed."""
    suffixes = Path(name).suffixes
    compression = COMPRESSIONS.get(suffixes[-1].lower()) if suffixes else None
    inner = suffixes[:-1] if compression else suffixes
    return (MEDIA_TYPES.get(inner[-1].lower(), UNKNOWN_MEDIA_TYPE) if inner else UNKNOWN_MEDIA_TYPE), compression
