"""Makes Dagster's SQLite databases aside and puts them in their place whole: one cut short there is never mended."""

import errno
from pathlib import Path

from lakehouse.archive.held_folders import held_folder, sweep

DATABASES = ("schedules", "history")
"""The folders that Dagster keeps its databases in; the last one says that all are there."""
PREFIX = ".first-"
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


def make_first_history(home: Path, settings: str) -> None:
    """Make the databases of a new `home`, of which Dagster has the `settings` file; where they are, nothing is done.

    A process that is killed in the middle leaves a hidden folder, which the next one takes away before it begins anew.
    """
    sweep(home, PREFIX)
    if (home / DATABASES[-1]).is_dir():
        return
    import dagster as dg

    with held_folder(home, PREFIX) as (aside, _):
        (aside / "dagster.yaml").write_text(settings, encoding="utf-8")
        with dg.DagsterInstance.from_config(str(aside)) as instance:
            instance.get_runs(limit=1)
        for part in DATABASES:
            _put(aside / part, home / part)


def _put(made: Path, place: Path) -> None:
    """Put a folder in its place; one that another process has put there meanwhile stays."""
    try:
        made.rename(place)
    except OSError as error:
        if error.errno not in TAKEN:
            raise
