"""Whether what a model learned from was withdrawn while it learned; such a model goes into quarantine."""

from collections.abc import Mapping, Sequence

from assets.house import read_released
from assets.workshop import Workshop
from lakehouse.definition import TableDefinition
from lakehouse.errors import BusyError
from lakehouse.tables.gold import LOADS
from lakehouse.tables.withdrawals import changed_by_withdrawals, quarantine, quarantined, require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse
from models.errors import CheckpointError

RECEIPT = "withdrawn while it was learned"


def require_not_withdrawn(
    house: Lakehouse,
    workshop: Workshop,
    version: str,
    commits: Mapping[str, str],
    *,
    created: bool,
    base: str | None = None,
) -> None:
    """Ask after the work what was asked before it: a withdrawal may have begun and ended meanwhile.

    `commits` are those that were read, by ``dataset@version``. A withdrawal writes them anew, and what is published
    names the new ones. A version that was there before the work was in the withdrawal's sight; one that was `created`
    was not, so it is put in quarantine here.

    Raises:
        BusyError: what it learned from, or its base, was withdrawn, or a withdrawal is open; run again.
    """
    try:
        require_none_open(house.objects)
    except BusyError:  # it may have looked for models already, before this one was there
        _quarantine(house, workshop, version, created=created)
        raise
    loads = read_released(house, LOADS, columns=["dataset", "dataset_commit"]).to_pylist()
    published = {(row["dataset"], row["dataset_commit"]) for row in loads}
    gone = [key for key, commit in commits.items() if (key.partition("@")[0], commit) not in published]
    if base is not None and base in quarantined(house.objects):
        gone.append(base)
    if not gone:
        return
    _quarantine(house, workshop, version, created=created)
    raise BusyError(
        f"a withdrawal changed {', '.join(gone)} while {version} learned from it, so it is not used; run this again"
    )


def require_no_strays(house: Lakehouse, workshop: Workshop, versions: Sequence[str], table: TableDefinition) -> None:
    """Ask the same of versions that `table` does not tell of yet: the run that made one may have been killed.

    Killed between the writing of a version and its check, while a withdrawal that had looked for models before was
    going on, a run leaves a version that nobody would put in quarantine. One goes, with what it learned, when a
    receipt says that a withdrawal took something from a commit that it read; that a commit is not published here
    proves nothing, for the models may be those of another lake, or of this one before it was restored.

    Raises:
        BusyError: one was found and put in quarantine, or a withdrawal is open; run again.
    """
    require_none_open(house.objects)
    told = set(read_released(house, table, columns=["model_version"])["model_version"].to_pylist())
    known = told | quarantined(house.objects)
    read = {one: _read(workshop, one) for one in versions if one not in known}
    taken = changed_by_withdrawals(house.objects) if read else set()
    strays = {one: gone for one, commits in read.items() if (gone := sorted(taken & set(commits.items())))}
    for version in strays:
        _quarantine(house, workshop, version, created=True)
    if strays:
        named = "; ".join(
            f"{version} learned from {', '.join(name for name, _ in gone)}" for version, gone in sorted(strays.items())
        )
        raise BusyError(
            f"runs were killed while a withdrawal changed what they learned from ({named}): such versions are in "
            "quarantine now; run this again"
        )


def _read(workshop: Workshop, version: str) -> Mapping[str, str]:
    """Return the commits that a version read; none when its record is damaged, which whoever chooses it is told."""
    try:
        return workshop.read_by(version)
    except CheckpointError:
        return {}


def _quarantine(house: Lakehouse, workshop: Workshop, version: str, *, created: bool) -> None:
    if created:
        quarantine(house.objects, version, RECEIPT)
        workshop.destroy(version, RECEIPT)
