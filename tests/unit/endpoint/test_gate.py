"""Passwords, tokens and sessions."""

import base64

import pytest

from lakehouse.endpoint.auth import MAX_REMEMBERED, Gate, Remembered
from lakehouse.endpoint.faults import RefusedStatementError, UnauthenticatedError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gate(clock):
    return Gate({"ada": "pass:word", "empty": ""}, token_seconds=60, session_seconds=30, clock=clock)


def test_a_token_stands_for_the_password_until_it_expires(gate, clock):
    user, token, _ = gate.login(basic("ada", "pass:word"))
    assert gate.login(f"bearer {token}")[:2] == (user, token) == ("ada", token)
    clock.now = 61
    with pytest.raises(UnauthenticatedError, match="expired"):
        gate.login(f"Bearer {token}")


def test_every_login_gets_a_token_of_its_own(gate):
    assert gate.login(basic("ada", "pass:word"))[1] != gate.login(basic("ada", "pass:word"))[1]


def test_unpadded_base64_is_read_as_go_clients_send_it(gate):
    assert gate.login(basic("ada", "pass:word").rstrip("="))[0] == "ada"


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic é", "Bearer", "Digest x", basic("empty", ""), basic("ada", ""), basic("", "")]
)
def test_anything_else_is_refused(gate, header):
    with pytest.raises(UnauthenticatedError):
        gate.login(header)


def test_a_session_lives_while_it_is_used_and_belongs_to_its_user(gate, clock):
    session = gate.session("ada", None, ("lakehouse",))
    clock.now = 20
    assert gate.session("ada", session.id, ()).schema == ("lakehouse",)
    clock.now = 45
    assert gate.session("ada", session.id, ()) is session
    with pytest.raises(UnauthenticatedError, match="UserSession is not available"):
        gate.session("eve", session.id, ())
    clock.now = 80
    with pytest.raises(UnauthenticatedError, match="UserSession is not available"):
        gate.session("ada", session.id, ())


def test_too_many_values_push_the_oldest_of_their_own_owner_out(clock):
    remembered = Remembered[int](10, clock)
    others = remembered.add(7, "eve")
    first = remembered.add(0, "ada")
    for number in range(MAX_REMEMBERED):
        last = remembered.add(number, "ada")
    assert remembered.find(first, renew=False) is None
    assert remembered.find(last, renew=False) == MAX_REMEMBERED - 1
    assert remembered.find(others, renew=True) == 7
    remembered.drop(others)
    assert remembered.find(others, renew=True) is None


def test_a_purpose_stated_at_the_login_holds_for_its_token_until_a_call_states_another(gate):
    token = gate.login(basic("ada", "pass:word"), "research").token
    assert gate.login(f"Bearer {token}").purpose == "research"
    assert gate.login(f"Bearer {token}", "teaching").purpose == "teaching"
    assert gate.login(basic("ada", "pass:word")).purpose == ""


def test_a_session_keeps_the_purpose_it_was_opened_for(gate):
    session = gate.session("ada", None, (), "research")
    assert gate.session("ada", session.id, ()).purpose == "research"
    assert gate.session("ada", session.id, (), "research") is session
    with pytest.raises(RefusedStatementError, match="was opened for research; open another for teaching"):
        gate.session("ada", session.id, (), "teaching")
