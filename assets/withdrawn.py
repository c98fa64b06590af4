"""Whether what a model learned from was withdrawn while it learned; such a model goes into quarantine."""

from collections.abc import Mapping

from assets.house import read_released
from assets.workshop import Workshop
from lakehouse.errors import BusyError
from lakehouse.tables.gold import LOADS
from lakehouse.tables.withdrawals import quarantine, quarantined, require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse

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


def _quarantine(house: Lakehouse, workshop: Workshop, version: str, *, created: bool) -> None:
    if created:
        quarantine(house.objects, version, RECEIPT)
        workshop.destroy(version, RECEIPT)
