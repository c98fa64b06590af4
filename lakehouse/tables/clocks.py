"""What time it is for whoever deletes what is old: two clocks must agree on it."""

from datetime import UTC, datetime, timedelta

from lakehouse.errors import ClockError
from lakehouse.ports import ObjectStore

PROBE = "newest/clock"
# As far as S3 lets a request's date be from its own (RequestTimeTooSkewed), so most storages refuse beyond it anyway.
APART = timedelta(minutes=15)


def agreed_time(objects: ObjectStore, own: datetime | None = None) -> datetime:
    """Return the earlier of this machine's time and the storage's, which says when an object came that comes now.

    Args:
        objects: the storage; its small object `newest/clock` is written anew.
        own: this machine's time (UTC); now, where it is not given.

    Raises:
        ClockError: they are more than 15 minutes apart. Which one is wrong cannot be told from here.
    """
    objects.put(PROBE, b"")
    stored = objects.stored_at(PROBE)
    mine = own or datetime.now(UTC)
    if abs(mine - stored) > APART:
        raise ClockError(
            f"this machine's clock says {mine:%Y-%m-%d %H:%M:%S} UTC and the storage's {stored:%Y-%m-%d %H:%M:%S}, so "
            "nobody can tell what is old and nothing was deleted; set the clock that is wrong, then run again"
        )
    return min(mine, stored)
