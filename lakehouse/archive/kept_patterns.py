"""Where compiled patterns are kept: beside the installed code, since compiling them takes longer than most files."""

import sys
from contextlib import suppress
from pathlib import Path

# By their hash; as trustworthy as the code of this environment, which has the same owner.
COMPILED = Path(sys.prefix) / "var" / "lakehouse" / "patterns"


def compiled_folder() -> Path:
    """Return the folder of compiled patterns, for a process that may write to little else; made where that can be."""
    with suppress(OSError):  # an installation that is not one's own stays as it is
        COMPILED.mkdir(mode=0o700, parents=True, exist_ok=True)
    return COMPILED
