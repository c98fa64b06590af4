"""What was planned before: planned again when it is fetched if that would now be another plan, and recorded once."""

import threading
from types import SimpleNamespace

import pyarrow as pa
import pytest

from lakehouse.endpoint import permission
from lakehouse.endpoint.auditing import WatchedExecutor
from lakehouse.endpoint.auth import Session
from lakehouse.endpoint.catalogue import Catalogue, Entry
from lakehouse.endpoint.config import AccessRules, EndpointConfig
from lakehouse.endpoint.faults import BusyError, DeniedStatementError
from lakehouse.endpoint.relations import Described, Relation
from lakehouse.policy.users import PolicyFile, User

NUMBER = Described(("n",), ("INTEGER",), (pa.int32(),))
TEXT = Described(("n",), ("VARCHAR",), (pa.string(),))


def release(number, columns=NUMBER):
    """A catalogue with a table `t` of these columns in two schemas."""
    found = Catalogue(number)
    for schema in ("a", "b"):
        relation = Relation("TABLE", f"t_of_{schema}", "", rows=b"", needs=())
        relation.schema = columns.schema()
        found.entries["lakehouse", schema, "t"] = Entry(f"lakehouse.{schema}", "t", "SYSTEM_TABLE", relation)
    return found


class Endpoint:
    """An executor over a release and a policy."""

    def __init__(self):
        self.release = release(1)
        self.allow(*(f"user{number}" for number in range(3)))
        self.denied, self.statements = [], []
        duck = SimpleNamespace(changing=threading.RLock(), describe=lambda _text: NUMBER)
        log = SimpleNamespace(record=self.statements.append)
        rules = AccessRules(lambda: self.policy, self.denied.append, log)
        self.executor = WatchedExecutor(
            EndpointConfig(users={}, roots=()),
            duck,
            SimpleNamespace(current=lambda: self.release),
            permission.Permissions(duck, rules),
            rules,
        )

    def allow(self, *names):
        users = {name: User(name=name, purposes=("any",), default_purpose="reporting") for name in names}
        self.policy = PolicyFile(users, (), 30)

    def verdicts(self):
        return [one.verdict for one in self.statements]


@pytest.fixture
def endpoint():
    return Endpoint()


SQL = "SELECT * FROM t"
A, B = ("lakehouse", "a"), ("lakehouse", "b")


def test_a_right_that_was_taken_away_is_recorded_once(endpoint):
    session = Session("user0", A)
    plan = endpoint.executor.plan(SQL, session)
    endpoint.allow("user1")
    with pytest.raises(DeniedStatementError):
        endpoint.executor.again(plan, SQL, session)
    assert (len(endpoint.denied), endpoint.verdicts()) == (1, ["denied"])


def test_a_statement_whose_columns_changed_is_recorded(endpoint):
    session = Session("user0", A)
    plan = endpoint.executor.plan(SQL, session)
    endpoint.release = release(2, TEXT)
    with pytest.raises(BusyError, match="the tables changed after this statement was planned"):
        endpoint.executor.again(plan, SQL, session)
    assert endpoint.verdicts() == ["busy"]


def test_names_mean_what_they_meant_when_it_was_planned(endpoint):
    session = Session("user0", A)
    plan = endpoint.executor.plan(SQL, session)
    used = endpoint.executor.plan("USE lakehouse.b", session)
    assert session.schema == B
    endpoint.release = release(2)
    assert "t_of_a" in endpoint.executor.again(plan, SQL, session).translated
    session.schema = A
    assert endpoint.executor.again(used, "USE lakehouse.b", session).rows is not None
    assert session.schema == A, "USE counts once"


def test_what_many_users_planned_at_once_is_planned_once(endpoint, monkeypatch):
    monkeypatch.setattr(permission, "MAX_CATALOGUES", 1)
    sessions = [Session(f"user{number}", A) for number in range(3)]
    plans = [endpoint.executor.plan(SQL, session) for session in sessions]
    again = [endpoint.executor.again(plan, SQL, session) for plan, session in zip(plans, sessions, strict=True)]
    assert all(now is before for now, before in zip(again, plans, strict=True))
    endpoint.release = release(2)
    assert endpoint.executor.again(plans[2], SQL, sessions[2]) is not plans[2]
