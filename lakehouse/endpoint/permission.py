"""What a user may see for a purpose: a catalogue of its own, made of the release's, with rows and columns left out."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import Catalogue
from lakehouse.endpoint.config import AccessRules
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.faults import DeniedStatementError
from lakehouse.endpoint.restriction import Asker, restricted_catalogue
from lakehouse.policy.decisions import Policy
from lakehouse.policy.users import PolicyFile

MAX_CATALOGUES = 64


class _Made(NamedTuple):
    """A catalogue and what it was made of."""

    everything: Catalogue
    said: PolicyFile
    today: date
    seen: Catalogue

    def still_holds(self, everything: Catalogue, said: PolicyFile, today: date) -> bool:
        """Say whether nothing changed since: catalogues and policies are replaced as a whole, never changed."""
        return self.everything is everything and self.said is said and self.today == today


class Permissions:
    """Decides for every session which catalogue it sees, and tells `record` of what was denied."""

    def __init__(self, duck: Duck, rules: AccessRules) -> None:
        self._duck = duck
        self._rules = rules
        self._made: OrderedDict[tuple[str, str], _Made] = OrderedDict()
        self._lock = threading.Lock()

    def seen(self, everything: Catalogue, session: Session) -> Catalogue:
        """Return the part of a release's catalogue that a session's user may see for its purpose.

        Raises DeniedStatementError when the user may not ask for that purpose at all.
        """
        said, today = self._rules.policy(), datetime.now(UTC).date()
        known = said.users.get(session.user)
        purpose = session.purpose or (known.default_purpose if known else "")
        refusal = Policy(said.users, {}, today).refusal(session.user, purpose)
        if refusal is not None:
            raise DeniedStatementError(refusal)
        with self._lock, self._duck.changing:
            made = self._made.pop((session.user, purpose), None)
            if made is None or not made.still_holds(everything, said, today):
                asker = Asker(session.user, purpose, said, today, self._rules.secret)
                seen = restricted_catalogue(self._duck, everything, asker)
                made = _Made(everything, said, today, seen)
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
            self._rules.record(error.decision)
            raise
