"""What a user may see for a purpose: a catalogue of its own, made of the release's, with rows and columns left out."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
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


class MadeOf(NamedTuple):
    """What a catalogue was made of; `everything` is what the release's own says of itself."""

    everything: object
    said: PolicyFile
    today: date


class Permissions:
    """Decides for every session which catalogue it sees, and tells `record` of what was denied."""

    def __init__(self, duck: Duck, rules: AccessRules) -> None:
        self._duck = duck
        self._rules = rules
        self._made: OrderedDict[tuple[str, str], Catalogue] = OrderedDict()
        self._lock = threading.Lock()

    def made_of(self, everything: Catalogue, session: Session) -> MadeOf:
        """Return what a session's catalogue would be made of now, which `Catalogue.made_of` is compared with.

        Raises DeniedStatementError when the session's user may not ask for its purpose at all.
        """
        return self._asked(everything, session)[0]

    def seen(self, everything: Catalogue, session: Session) -> Catalogue:
        """Return the part of a release's catalogue that a session's user may see for its purpose.

        Raises DeniedStatementError when the user may not ask for that purpose at all.
        """
        made_of, purpose = self._asked(everything, session)
        with self._lock, self._duck.changing:
            made = self._made.pop((session.user, purpose), None)
            if made is None or made.made_of != made_of:
                asker = Asker(session.user, purpose, made_of.said, made_of.today, self._rules.secret)
                made = replace(restricted_catalogue(self._duck, everything, asker), made_of=made_of)
            self._made[session.user, purpose] = made
            while len(self._made) > MAX_CATALOGUES:
                self._made.popitem(last=False)
        return made

    def _asked(self, everything: Catalogue, session: Session) -> tuple[MadeOf, str]:
        """Return what a session's catalogue is made of, and the purpose it is for."""
        said, today = self._rules.policy(), datetime.now(UTC).date()
        known = said.users.get(session.user)
        purpose = session.purpose or (known.default_purpose if known else "")
        refusal = Policy(said.users, {}, today).refusal(session.user, purpose)
        if refusal is not None:
            raise DeniedStatementError(refusal)
        return MadeOf(everything.made_of, said, today), purpose

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Keep a record of a denial that is raised inside."""
        try:
            yield
        except DeniedStatementError as error:
            self._rules.record(error.decision)
            raise
