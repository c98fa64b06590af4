"""Entries of YAML files, one value each: read by name, and refused with what is wrong and where an example stands."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

from models.errors import ModelError, TrialError

Made = TypeVar("Made")


@dataclass(frozen=True)
class Entries(Generic[Made]):
    """One kind of entries: a `word` for one, what one that cannot be made is `not_made`, and whose a file of them is.

    `make` gives a value from its name and its fields, with TypeError or ValueError where they are no such value;
    `faults` says what is wrong with one. `error` tells these, and names `shipped`, a file that shows how to write them.
    """

    word: str
    not_made: str
    whose: str
    make: Callable[[str, dict[str, Any]], Made]
    faults: Callable[[Made], list[str]]
    error: type[ModelError]
    shipped: Path

    def read(self, path: Path) -> dict[str, Made]:
        """Read all entries of a file by name.

        Raises:
            TrialError: the file is unreadable or holds none.
            ModelError: `error`, an entry lacks a field, has one too many or a value that cannot work.
        """
        return {name: self._made(path, name, values) for name, values in read_entries(path, self.whose, self.shipped)}

    def one(self, path: Path, name: str) -> Made:
        """Read one entry; raise `error` when the file names no such one."""
        found = self.read(path)
        if name not in found:
            raise self.error(f"{path.name} names no {self.word} {name!r}; it names {', '.join(found)}")
        return found[name]

    def _made(self, path: Path, name: str, values: object) -> Made:
        place, see = f"{self.word} {name!r} of {path}", f"see models/{self.shipped.name}"
        try:
            made = self.make(name, dict(values))  # type: ignore[call-overload]  # what is no mapping raises TypeError
            faults = self.faults(made)
        except (TypeError, ValueError) as error:
            raise self.error(f"{place} is {self.not_made}: {error}; {see}") from error
        if faults:
            raise self.error(f"{place}: {'; '.join(faults)}; {see}")
        return made


def read_entries(path: Path, whose: str, shipped: Path) -> list[tuple[str, object]]:
    """Return the names and fields of a file's entries as they stand.

    Raises:
        TrialError: the file is unreadable or holds none.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrialError(f"cannot read tests of {whose} from {path}: {error}; see models/{shipped.name}") from error
    if not isinstance(values, dict) or not values:
        raise TrialError(f"{path} holds no tests; copy models/{shipped.name} and change it")
    return [(str(name), each) for name, each in values.items()]
