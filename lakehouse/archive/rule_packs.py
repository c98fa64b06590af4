"""Finding and reading rule packs: those the archive ships, and those in folders of others."""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from lakehouse.archive.packs_checks import refuse_rule
from lakehouse.archive.packs_model import Pack
from lakehouse.archive.rulebook import rules_version
from lakehouse.archive.strict_yaml import YamlFaultError, read_yaml
from lakehouse.errors import RulePackError

PACK_FILE = "pack.yaml"
SHIPPED = Path(__file__).parent / "packs"


@dataclass(frozen=True, slots=True)
class Packs:
    """Rule packs by name, the hash of every one, and the folders of others that they were read from."""

    by_name: Mapping[str, Pack]
    hashes: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()

    @property
    def rules_version(self) -> str:
        """The version of all rules, the archive's and the packs'."""
        said = [rules_version(), *(f"{name} {digest}" for name, digest in sorted(self.hashes.items()))]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()


def load_packs(folders: Iterable[Path] = ()) -> Packs:
    """Return the shipped packs and those in these folders: each is a pack, or holds one in each of its folders.

    Raises:
        RulePackError: a folder is not there or holds no pack, a pack is at fault, or two have one name.
    """
    given = tuple(folders)
    found, hashes = dict(_shipped().by_name), dict(_shipped().hashes)
    for folder in given:
        for file in _pack_files(folder):
            pack, digest = _read(file)
            if pack.name in found:
                raise RulePackError(f"{file}: name: a pack called '{pack.name}' is there already; choose another name")
            found[pack.name], hashes[pack.name] = pack, digest
    return Packs(found, hashes, given)


@functools.cache
def _shipped() -> Packs:
    read = [_read(file) for file in _pack_files(SHIPPED)]
    return Packs({pack.name: pack for pack, _ in read}, {pack.name: digest for pack, digest in read})


def _pack_files(folder: Path) -> list[Path]:
    if (folder / PACK_FILE).is_file():
        return [folder / PACK_FILE]
    files = sorted(folder.glob(f"*/{PACK_FILE}"))
    if not files:
        raise RulePackError(f"{folder} holds no rule pack; write {PACK_FILE} into it, or into a folder for each pack")
    return files


def _read(file: Path) -> tuple[Pack, str]:
    body = file.read_bytes()
    try:
        pack = Pack.model_validate(read_yaml(body))
    except YamlFaultError as error:
        raise RulePackError(f"{file}: {error}; mend the YAML") from error
    except ValidationError as error:
        raise RulePackError(f"{file}: {_spoken(error)}; correct it") from error
    for code, rule in pack.rules.items():
        if fault := refuse_rule(pack, rule):
            raise RulePackError(f"{file}: rules.{code}.{fault}; correct it")
    return pack, hashlib.sha256(body).hexdigest()


def _spoken(error: ValidationError) -> str:
    faults = []
    for problem in error.errors()[:5]:
        place = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        faults.append(f"{place or '(whole file)'}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(faults)
