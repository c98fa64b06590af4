"""What Superset and its provisioning are told by their environment, secrets also by files."""

import os
from pathlib import Path


def given(name: str) -> str:
    """Return a variable, or the content of the file that the variable with `_FILE` after its name gives; else "".

    The last line end of a file is left off. Raises RuntimeError when both are set, or the file cannot be read.
    """
    value, file = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if not file:
        return value
    if value:
        raise RuntimeError(f"{name} and {name}_FILE are both set; keep one")
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RuntimeError(f"{name}_FILE is {file!r}, which cannot be read ({error}); correct it") from error
