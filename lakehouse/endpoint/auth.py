"""Who may call: passwords, bearer tokens that expire, and sessions that remember a default schema."""

import base64
import binascii
import hmac
import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from lakehouse.endpoint.faults import RefusedStatementError, UnauthenticatedError
from lakehouse.endpoint.quoting import DOUBLE_QUOTE, quoting_of
from lakehouse.endpoint.throttle import Throttle

MAX_REMEMBERED = 10_000  # of each user
LONGEST_LOGIN = 7  # times as long as one token, until a client must log in again
UNKNOWN = "(unknown)"
UNKNOWN_SECONDS = 1.0
Value = TypeVar("Value")


@dataclass(slots=True)
class Session:
    """What a client has set. `id` is None for the session of a single call; no `purpose` means the user's default.

    `quoting` is how its statements quote names, `complex_types` whether it takes lists and structs.
    """

    user: str
    schema: tuple[str, ...] = ()
    id: str | None = None
    purpose: str = ""
    quoting: str = DOUBLE_QUOTE
    complex_types: bool = True

    @property
    def sight(self) -> tuple[str, str]:
        """What decides which data are seen: the user and the purpose."""
        return self.user, self.purpose


class Login(NamedTuple):
    """Who calls, the bearer token to call with next time, and the purpose that was stated, if any."""

    user: str
    token: str
    purpose: str


@dataclass(slots=True)
class Token:
    """Who logged in when (monotonic seconds) and for what, and the token that follows this one, once it has one."""

    user: str
    purpose: str
    began: float
    next: str = ""


class Remembered(Generic[Value]):
    """Values under random keys, forgotten `seconds` after their last use, and an owner's oldest when it has too many.

    Owners are known users, so all of it is bounded; and nobody pushes out what another has.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._owners: dict[str, str] = {}
        self._values: dict[str, dict[str, tuple[Value, float]]] = {}
        self._lock = threading.Lock()

    def add(self, value: Value, owner: str) -> str:
        """Keep a value and return its key."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._forget(owner)
            self._put(key, value, owner)
        return key

    def find(self, key: str, *, renew: bool) -> Value | None:
        """Return the value of a key that is still known; `renew` starts its time again."""
        with self._lock:
            owner = self._owners.get(key)
            if owner is None:
                return None
            value, until = self._values[owner][key]
            if until < self._clock():
                self._drop(key)
                return None
            if renew:
                self._drop(key)
                self._put(key, value, owner)
            return value

    def is_old(self, key: str) -> bool:
        """Say whether more than half of a key's time is over, or all of it."""
        with self._lock:
            owner = self._owners.get(key)
            return owner is None or self._values[owner][key][1] - self._clock() < self._seconds / 2

    def drop(self, key: str) -> None:
        """Forget a key now."""
        with self._lock:
            self._drop(key)

    def _put(self, key: str, value: Value, owner: str) -> None:
        self._owners[key] = owner
        self._values.setdefault(owner, {})[key] = (value, self._clock() + self._seconds)

    def _drop(self, key: str) -> None:
        owner = self._owners.pop(key, None)
        if owner is not None:
            del self._values[owner][key]

    def _forget(self, owner: str) -> None:
        """Drop from the front: all live equally long, so the order of insertion is the order of expiry."""
        now, known = self._clock(), self._values.get(owner, {})
        while known:
            oldest = next(iter(known))
            if known[oldest][1] >= now and len(known) < MAX_REMEMBERED:
                return
            self._drop(oldest)


class Gate:
    """Checks every call. Tokens and sessions live in memory, so a restart logs everybody out.

    `access_tokens` are personal ones by user, sent as Bearer from the first call on; they last as long as the endpoint.
    `missed` is told of each new wrong password and of whom it was for: of those for unknown users, once a second at
    most, and not the name, which may be a password that was typed at the wrong place.
    """

    def __init__(
        self,
        users: Mapping[str, str],
        *,
        token_seconds: float,
        session_seconds: float,
        access_tokens: Mapping[str, str] | None = None,
        missed: Callable[[str], None] = lambda _user: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._missed = missed
        self._renewing = threading.Lock()
        self._told_of_unknown = -math.inf
        self._users = {name: password for name, password in users.items() if name and password}
        self._throttle = Throttle(self._users, clock)
        self._access = {_digest(token): name for name, token in (access_tokens or {}).items() if name and token}
        self._tokens = Remembered[Token](token_seconds, clock)
        self._longest_seconds = token_seconds * LONGEST_LOGIN
        self._sessions = Remembered[Session](session_seconds, clock)

    def login(self, authorization: str | None, purpose: str = "") -> Login:
        """Return the user, a bearer token and the purpose for an ``authorization`` header, Basic or Bearer.

        A purpose that is stated at the login holds for its token, until a call states another one. Raises
        UnauthenticatedError in Dremio's words.
        """
        scheme, _, value = (authorization or "").partition(" ")
        match scheme.lower():
            case "bearer":
                token = value.strip()
                owner = self._access.get(_digest(token))
                if owner is not None:
                    return Login(owner, token, purpose)
                known = self._tokens.find(token, renew=False)
                if known is None:
                    raise UnauthenticatedError(
                        "Unable to authenticate: the bearer token is unknown or has expired; log in again, with a user "
                        "name and password"
                    )
                return Login(known.user, self._current(token, known), purpose or known.purpose)
            case "basic":
                user = self._check(value.strip())
                return Login(user, self._tokens.add(Token(user, purpose, self._clock()), user), purpose)
            case _:
                raise UnauthenticatedError("Unable to authenticate: send a user name and password, or a bearer token")

    def _current(self, token: str, known: Token) -> str:
        """Return the token to answer with: the next one, in the second half of a token's time.

        Clients that take the token of each answer, as ADBC does, thereby stay in while they are used.
        """
        if not self._tokens.is_old(token) or self._clock() - known.began > self._longest_seconds:
            return token
        with self._renewing:
            if not known.next or self._tokens.is_old(known.next):
                known.next = self._tokens.add(Token(known.user, known.purpose, known.began), known.user)
            return known.next

    def session(
        self,
        user: str,
        cookie: str | None,
        schema: tuple[str, ...],
        purpose: str = "",
        *,
        quoting: str = "",
        complex_types: bool = True,
    ) -> Session:
        """Return the session a cookie names, or a new one with this default schema, purpose and way to quote names.

        A session keeps the purpose it was opened for.
        """
        if cookie is None:
            session = Session(user, schema, None, purpose, quoting_of(quoting), complex_types)
            session.id = self._sessions.add(session, user)
            return session
        found = self._sessions.find(cookie, renew=True)
        if found is None or found.user != user:
            raise UnauthenticatedError(
                "UserSession is not available in the cache; leave its cookie out to open a new one"
            )
        if purpose not in ("", found.purpose):
            raise RefusedStatementError(
                f"this session was opened for {found.purpose or 'the default purpose'}; open another for {purpose}"
            )
        return found

    def end(self, session: Session) -> None:
        """Forget a session."""
        if session.id is not None:
            self._sessions.drop(session.id)

    def _check(self, encoded: str) -> str:
        try:
            # Go clients such as ADBC leave the padding out.
            padded = encoded + "=" * (-len(encoded) % 4)
            user, colon, password = base64.b64decode(padded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError) as error:
            raise UnauthenticatedError("Unable to authenticate: the Basic header is malformed") from error
        # An unknown user costs the same comparison, so that names cannot be told apart by time.
        expected = self._users.get(user, secrets.token_urlsafe(16))
        right = hmac.compare_digest(password.encode(), expected.encode()) and bool(colon)
        judged = self._throttle.judge(user, password, right=right)
        if judged.right:
            return user
        if judged.new:
            self._tell(user)
        why = "invalid username or password"
        if judged.wait_seconds:
            seconds = math.ceil(judged.wait_seconds)
            later = "1 second" if seconds == 1 else f"{seconds} seconds"
            why = f"too many wrong passwords, and this one was not looked at; try again in {later}"
        raise UnauthenticatedError(
            f"Unable to authenticate user {user}, exception: Login failed: {why}",
            logged=f"user {user if user in self._users else UNKNOWN}: {why}",
        )

    def _tell(self, user: str) -> None:
        if user not in self._users:
            if self._clock() - self._told_of_unknown < UNKNOWN_SECONDS:
                return
            self._told_of_unknown = self._clock()
            user = UNKNOWN
        self._missed(user)


def _digest(token: str) -> str:
    """Return what tokens are looked up by: how long that takes says nothing about how much of one was right."""
    return sha256(token.encode(errors="replace")).hexdigest()
