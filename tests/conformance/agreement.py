"""How far a suite of others and this project agree, case by case."""

import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"


@dataclass
class Agreement:
    """The cases of one suite; `differing` says of each other case what was expected and what was found."""

    suite: str
    agreed: int = 0
    differing: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def case(self, name: str, expected: object, found: object) -> None:
        """Count one case."""
        if expected == found:
            self.agreed += 1
        else:
            self.differing[name] = f"expected {expected!s:.300}, found {found!s:.300}"

    @property
    def total(self) -> int:
        """The cases that could be judged."""
        return self.agreed + len(self.differing)

    def tell(self) -> None:
        """Print the line of a table and every difference; pytest shows it with -s or -rP."""
        told = [self.row(), *(f"  {name}: {said}" for name, said in self.differing.items())]
        sys.stdout.write("\n".join(told) + "\n")

    def row(self) -> str:
        """Return the line of a table."""
        share = f"{self.agreed / self.total:.1%}" if self.total else "-"
        return f"| {self.suite} | {self.total} | {self.agreed} | {share} | {len(self.left_out)} |"


def unpacked(archive: str, into: Path) -> Path:
    """Unpack a suite's archive; skip when the data are not there."""
    path = SHARED / archive
    if not path.is_file():
        pytest.skip(f"needs ../shared/data/{archive}, which is not part of this repository")
    with tarfile.open(path) as packed:
        packed.extractall(into, filter="data")
    return into
