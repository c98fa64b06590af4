"""Files that hold a secret key: made once, readable by their owner only."""

import os
import re
from pathlib import Path

from lakehouse.durable_files import make_folder, remove_copies, sync_folder
from lakehouse.errors import PermanentError
from lakehouse.made_once import make_once

KEY_BYTES = 32


def kept_key(path: Path) -> bytes:
    """Return the key in a file, made when it is first needed; it is on the disk before anything is made with it.

    A copy of it that a process left that was killed while it made it is removed.

    Raises:
        PermanentError: the file there holds no key.
    """
    folder = path.parent
    if not path.is_file():
        make_folder(folder, mode=0o700)
        sync_folder(folder.parent)
        make_once(path, os.urandom(KEY_BYTES).hex().encode())
    sync_folder(folder)  # whoever made it may have been killed before this
    remove_copies(path)
    said = path.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", said):
        raise PermanentError(
            f"{path} holds no key of {KEY_BYTES} bytes; restore it from a backup, or delete it if nothing was "
            "protected with it"
        )
    return bytes.fromhex(said)
