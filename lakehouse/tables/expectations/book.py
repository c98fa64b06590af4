"""Reads expectations: those shipped with the project, and the YAML files of a folder that the settings name."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from lakehouse.definition import TableDefinition
from lakehouse.errors import ExpectationFileError
from lakehouse.tables.expectations.kinds import Fresh, TableExpectations
from lakehouse.tables.expectations.reach import OWN, require_fit, require_judged

SHIPPED = Path(__file__).parent / "data"
LARGEST_BYTES = 1_000_000


@dataclass(frozen=True)
class Expectations:
    """All expectations by table name, a hash of the files they were read from, and the names of the files added."""

    tables: Mapping[str, TableExpectations]
    version: str
    added: frozenset[str] = frozenset()

    def of(self, table: str) -> TableExpectations | None:
        """Return what a table promises, with what its namespace does (``silver.*``); None where nothing is written."""
        own, shared = self.tables.get(table), self.tables.get(f"{table.partition('.')[0]}.*")
        if own is None or shared is None:
            return own or shared
        inherited = {
            code: one.model_copy(update={"owner": one.owner or shared.owner}) for code, one in shared.expect.items()
        }
        return own.model_copy(update={"expect": {**inherited, **own.expect}})

    def of_ages(self, table: str) -> TableExpectations | None:
        """Return what a table promises about its freshness alone; None where it promises nothing of that."""
        promised_of = self.of(table)
        if promised_of is None:
            return None
        ages = {code: one for code, one in promised_of.expect.items() if isinstance(one, Fresh)}
        return promised_of.model_copy(update={"expect": ages}) if ages else None

    def of_own_tables(self) -> Iterator[tuple[TableDefinition, TableExpectations]]:
        """Yield each of the project's own tables that promises something."""
        for table in OWN.values():
            if (promised_of := self.of(table.name)) is not None:
                yield table, promised_of


def read_expectations(folders: Iterable[Path] = ()) -> Expectations:
    """Return the shipped expectations and those of every ``*.yaml`` in `folders`; a later file replaces a table's.

    Raises:
        ExpectationFileError: a folder is not there, a file is no list of expectations, or one cannot be judged.
    """
    found: dict[str, TableExpectations] = {}
    added: set[str] = set()
    digest = hashlib.sha256()
    for folder in (SHIPPED, *folders):
        if not folder.is_dir():
            raise ExpectationFileError(f"{folder} is no folder; LAKEHOUSE_EXPECTATIONS names one with YAML files")
        for path in sorted(folder.glob("*.yaml")):
            body = path.read_bytes()[: LARGEST_BYTES + 1]
            parsed = _parsed(path, body)
            found.update(parsed)
            if folder != SHIPPED:
                added.update(parsed)
            digest.update(path.name.encode() + b"\0" + body)
    read = Expectations(found, digest.hexdigest()[:16], frozenset(added))
    require_fit(read.of_own_tables())
    return read


def _parsed(path: Path, body: bytes) -> dict[str, TableExpectations]:
    if len(body) > LARGEST_BYTES:
        raise ExpectationFileError(f"{path.name} is larger than {LARGEST_BYTES:,} bytes; split it")
    try:
        parsed = TypeAdapter(dict[str, TableExpectations]).validate_python(yaml.safe_load(body))
    except yaml.YAMLError as error:
        raise ExpectationFileError(f"{path.name} is no YAML: {error}; mend it") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = " > ".join(str(part) for part in first["loc"])
        raise ExpectationFileError(f"{path.name}: {place}: {first['msg']}; see docs/expectations.md") from error
    for name, table in parsed.items():
        try:
            require_judged(name, table)
        except ExpectationFileError as error:
            raise ExpectationFileError(f"{path.name}: {error}; see docs/expectations.md") from error
    return parsed
