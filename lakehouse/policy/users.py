"""Who there is: users with their roles and purposes, read from one YAML file that its owner edits."""

import logging
import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from lakehouse.errors import UnknownSettingError
from lakehouse.made_once import make_once
from lakehouse.policy.purposes import includes, outermost, purposes
from lakehouse.policy.rules import Rules

Right = Literal["registered", "restricted", "identifiers", "rows", "audit"]
Name = Annotated[str, Field(pattern=r"^[^\s:]{1,64}$")]
ABSENT = (0, -1)
MAX_BYTES = 1_000_000
KEPT_DAYS = 90
OTHERS = 0o077

log = logging.getLogger(__name__)

TRAINER = "training"
"""The user that trainings of models act as."""

ANYONE = "anyone"
"""The user that people act as who have not said who they are."""

DEFAULT = """\
# Who may ask the archive, and for what: `lakehouse policy check` shows what follows from it.
# roles: the rights registered (see datasets for known users), restricted (see all restricted datasets), identifiers
# (see the columns that name or expose people), rows (see single rows about people; without it only groups of at least
# `smallest_group` people) and audit (see sys.statements). A user may also be given single restricted `datasets`.
# purposes: codes of lakehouse/policy/purposes.yaml; one that includes others permits those as well.
# `default_purpose` counts where a client names none. A `password` lets a user log in to SQL, from the next start on;
# all other changes count from the next statement on. docs/flow/policy.md says what `tables` can hold.
smallest_group: 10
keep_statements_days: 90
tables: {{}}
roles:
  archive: [registered, restricted, audit]
  steward: [registered, restricted, identifiers, rows, audit]
  reader: [registered]
users:
  {user}: {{roles: [archive], purposes: [any], default_purpose: reporting}}
  training: {{roles: [archive], purposes: [model_training], default_purpose: model_training}}
  anyone: {{roles: [], purposes: [research, teaching, statistics], default_purpose: reporting}}
"""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _User(_Data):
    password: SecretStr | None = None
    roles: tuple[str, ...] = ()
    purposes: tuple[str, ...] = Field(min_length=1)
    default_purpose: str
    datasets: frozenset[str] = frozenset()


class _File(Rules):
    keep_statements_days: int = Field(default=KEPT_DAYS, ge=1, le=3660)
    roles: Mapping[str, frozenset[Right]] = Field(default_factory=dict)
    users: Mapping[Name, _User]


class User(_Data):
    """One user, roles resolved to rights. `datasets` are restricted ones that are open to this user."""

    name: str
    password: SecretStr | None = None
    rights: frozenset[Right] = frozenset()
    roles: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    default_purpose: str = ""
    datasets: frozenset[str] = frozenset()

    def may_state(self, purpose: str) -> bool:
        """Say whether this user may ask for that purpose."""
        return any(includes(own, purpose) for own in self.purposes)


Users = Mapping[str, User]


class PolicyFile(NamedTuple):
    """What the file says: who there is, what holds for single tables, and how long statements are kept."""

    users: Users
    rules: Rules
    keep_statements_days: int


@dataclass(slots=True)
class UsersFile:
    """The file at `path`, or the default users with the archive's own `user` where there is none."""

    path: Path
    user: str
    _read: tuple[tuple[int, int], PolicyFile] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ensure(self) -> None:
        """Write the default file where there is none."""
        ensure_users(self.path, self.user)

    def users(self) -> Users:
        """Return the users as the file has them now; one and the same mapping while it does not change.

        A file that was good before and is faulty now counts as it was, and the log says so.

        Raises:
            UnknownSettingError: the file is faulty when it is read first.
        """
        return self.current().users

    def current(self) -> PolicyFile:
        """Return all that the file says now, as `users` does."""
        with self._lock:
            state = self._state()
            if self._read is not None and self._read[0] == state:
                return self._read[1]
            try:
                found = load_policy(self.path) if state != ABSENT else default_policy(self.user)
            except UnknownSettingError as error:
                if self._read is None:
                    raise
                log.warning("keeping the users read before: %s", error)
                found = self._read[1]
            self._read = (state, found)
            return found

    def _state(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return ABSENT
        return found.st_mtime_ns, found.st_size


def ensure_users(path: Path, user: str) -> None:
    """Write the default file, readable by its owner only, where there is none."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    make_once(path, DEFAULT.format(user=user).encode())


def default_users(user: str) -> Users:
    """Return the users of the default file."""
    return default_policy(user).users


def default_policy(user: str) -> PolicyFile:
    """Return what the default file says."""
    return _parsed(DEFAULT.format(user=user), "the default policy")


def load_users(path: Path) -> Users:
    """Return the users by name, as `load_policy` does."""
    return load_policy(path).users


def load_policy(path: Path) -> PolicyFile:
    """Return what the file says.

    Raises:
        UnknownSettingError: the file cannot be read, or names a role or purpose that is not there.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnknownSettingError(f"{path} is larger than {MAX_BYTES} bytes; keep users, roles and purposes in it")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnknownSettingError(f"{path} cannot be read: {error}; delete it for a new one with defaults") from error
    found = _parsed(text, str(path))
    if path.stat().st_mode & OTHERS and any(user.password for user in found.users.values()):
        raise UnknownSettingError(f"{path} holds passwords and others may read it; make it private with chmod 600")
    return found


class _OneOfEachKey(yaml.SafeLoader):
    """Refuses a key that is there twice, of which the last would silently count: what stands below belongs to whom?"""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as in the base
        """Return the mapping; raise MarkedYAMLError where a key comes again."""
        seen: set[object] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key '{key.value}' is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parsed(text: str, place: str) -> PolicyFile:
    try:
        file = _File.model_validate(yaml.load(text, Loader=_OneOfEachKey))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise UnknownSettingError(f"{place} is no YAML: {' '.join(str(error).split())}; correct it") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the whole file"
        raise UnknownSettingError(f"{place}: {field}: {first['msg']}; correct it") from error
    for name, user in file.users.items():
        _check(user, name, file, place)
    for table, rule in file.tables.items():
        unknown = [role for role in rule.rows or () if role not in file.roles]
        if unknown:
            raise UnknownSettingError(
                f"{place}: tables.{table}.rows has the unknown role {unknown[0]!r}; roles: {', '.join(file.roles)}"
            )
    users = {name: _resolved(name, user, file) for name, user in file.users.items()}
    rules = Rules(smallest_group=file.smallest_group, tables=file.tables)
    return PolicyFile(users, rules, file.keep_statements_days)


def _check(user: _User, name: str, file: _File, place: str) -> None:
    roles = [role for role in user.roles if role not in file.roles]
    if roles:
        raise UnknownSettingError(
            f"{place}: user {name} has the unknown role {roles[0]!r}; roles: {', '.join(file.roles)}"
        )
    for code in (*user.purposes, user.default_purpose):
        if code not in purposes():
            raise UnknownSettingError(
                f"{place}: user {name} has the unknown purpose {code!r}; purposes: {', '.join(purposes())}"
            )
    if not any(includes(own, user.default_purpose) for own in user.purposes):
        raise UnknownSettingError(
            f"{place}: the default purpose {user.default_purpose!r} of user {name} is not among "
            f"{', '.join(outermost(user.purposes))}"
        )


def _resolved(name: str, user: _User, file: _File) -> User:
    rights = frozenset(right for role in user.roles for right in file.roles[role])
    return User(
        name=name,
        password=user.password,
        rights=rights,
        roles=user.roles,
        purposes=outermost(user.purposes),
        default_purpose=user.default_purpose,
        datasets=user.datasets,
    )
