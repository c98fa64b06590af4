"""What a user may see for a purpose: a catalogue of its own, made of the release's, with rows and columns left out."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import Catalogue
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import DeniedStatementError
from lakehouse.endpoint.restriction import restricted_catalogue
from lakehouse.policy.decisions import Decision, Policy
from lakehouse.policy.users import Users

MAX_CATALOGUES = 64


class _Made(NamedTuple):
    """A catalogue and what it was made of."""

    everything: Catalogue
    users: Users
    today: date
    seen: Catalogue

    def still_holds(self, everything: Catalogue, users: Users, today: date) -> bool:
        """Say whether nothing changed since: catalogues and users are replaced as a whole, never changed."""
        return self.everything is everything and self.users is users and self.today == today


class Permissions:
    """Decides for every session which catalogue it sees, and tells `record` of what was denied."""

    def __init__(self, duck: Duck, users: Callable[[], Users], record: Callable[[Decision], None]) -> None:
        self._duck = duck
        self._users = users
        self._record = record
        self._made: OrderedDict[tuple[str, str], _Made] = OrderedDict()
        self._lock = threading.Lock()

    def seen(self, everything: Catalogue, session: Session) -> Catalogue:
        """Return the part of a release's catalogue that a session's user may see for its purpose.

        Raises DeniedStatementError when the user may not ask for that purpose at all.
        """
        users, today = self._users(), datetime.now(UTC).date()
        known = users.get(session.user)
        purpose = session.purpose or (known.default_purpose if known else "")
        refusal = Policy(users, {}, today).refusal(session.user, purpose)
        if refusal is not None:
            raise DeniedStatementError(refusal)
        with self._lock, self._duck.changing:
            made = self._made.pop((session.user, purpose), None)
            if made is None or not made.still_holds(everything, users, today):
                seen = restricted_catalogue(self._duck, everything, users, session.user, purpose, today)
                made = _Made(everything, users, today, seen)
            self._made[session.user, purpose] = made
            while len(self._made) > MAX_CATALOGUES:
                self._made.popitem(last=False)
        return made.seen

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Keep a record of a denial that is raised inside."""
        try:
            yield
        except DeniedStatementError as error:
            self._record(error.decision)
            raise
