"""Passwords, tokens and sessions."""

import base64
import contextlib

import pyarrow.flight as flight
import pytest

from lakehouse.endpoint.auth import MAX_REMEMBERED, UNKNOWN, Gate, Remembered
from lakehouse.endpoint.faults import RefusedStatementError, UnauthenticatedError
from lakehouse.endpoint.throttle import FREE, LONG_PASSWORD, LONGEST_SECONDS, MAX_NAMES, Throttle
from lakehouse.endpoint.transport import CallerFactory


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


def test_a_client_that_takes_the_token_of_each_answer_stays_in_for_seven_times_as_long(gate, clock):
    first = token = gate.login(basic("ada", "pass:word"), "research").token
    tokens = [token]
    for now in range(20, 421, 20):
        clock.now = now
        user, token, purpose = gate.login(f"Bearer {token}")
        assert (user, purpose) == ("ada", "research")
        tokens.append(token)
    assert len(set(tokens)) == 11, "one in each half of a token's time"
    with pytest.raises(UnauthenticatedError, match="expired"):
        gate.login(f"Bearer {first}")
    for now in (440, 460, 480):
        clock.now = now
        with contextlib.suppress(UnauthenticatedError):
            token = gate.login(f"Bearer {token}").token
    clock.now = 500
    with pytest.raises(UnauthenticatedError, match="expired"):
        gate.login(f"Bearer {token}")


def test_a_client_that_keeps_its_token_gets_the_same_next_one_at_each_call(gate, clock):
    token = gate.login(basic("ada", "pass:word")).token
    clock.now = 40
    following = {gate.login(f"Bearer {token}").token for _ in range(5)}
    assert len(following) == 1
    assert following != {token}


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


@pytest.fixture
def missed():
    return []


@pytest.fixture
def guarded(clock, missed):
    users = {"ada": "right", "bob": "right too"}
    return Gate(users, token_seconds=60, session_seconds=30, missed=missed.append, clock=clock)


def refused(gate, user, password):
    with pytest.raises(UnauthenticatedError) as caught:
        gate.login(basic(user, password))
    return str(caught.value)


def guess(gate, count, user="ada"):
    return [refused(gate, user, f"guess {number}") for number in range(count)]


@pytest.mark.parametrize("user", ["ada", "nobody"])
def test_wrong_passwords_are_looked_at_more_and_more_slowly(guarded, clock, user):
    assert all("invalid username or password" in text for text in guess(guarded, FREE + 1, user))
    waits = []
    for number in range(10):
        text = refused(guarded, user, f"later {number}")
        assert "was not looked at; try again in" in text
        waits.append(int(text.split("try again in ")[1].split()[0]))
        clock.now += waits[-1]
        assert "invalid username or password" in refused(guarded, user, f"now {number}")
    assert waits == [1, 2, 4, 8, 16, *[LONGEST_SECONDS] * 5]


def test_a_right_password_is_not_told_apart_while_nothing_is_looked_at_and_lets_in_afterwards(guarded, clock):
    guess(guarded, FREE + 1)
    assert "was not looked at; try again in 1 second" in refused(guarded, "ada", "right")
    clock.now += 1
    assert guarded.login(basic("ada", "right")).user == "ada"
    assert "invalid" in guess(guarded, 1)[0]
    assert "was not looked at" in refused(guarded, "ada", "another guess"), "one guess for each login of the user"


def test_guessing_at_one_user_keeps_no_other_out_and_nobody_who_is_in(guarded):
    token = guarded.login(basic("ada", "right")).token
    guess(guarded, FREE + 5)
    assert guarded.login(basic("bob", "right too")).user == "bob"
    assert guarded.login(f"Bearer {token}").user == "ada"


def test_a_program_that_sends_an_old_password_over_and_over_keeps_nobody_waiting(guarded, missed):
    for _ in range(100):
        assert "invalid username or password" in refused(guarded, "ada", "old one")
    assert guarded.login(basic("ada", "right")).user == "ada"
    assert missed == ["ada"]


def test_each_new_wrong_password_is_told_and_of_unknown_users_only_that_there_are_some(guarded, clock, missed):
    guess(guarded, FREE + 3)
    for number in range(50):
        refused(guarded, f"a password as a name {number}", "x")
    assert missed == [*["ada"] * (FREE + 1), UNKNOWN]
    clock.now += 1
    refused(guarded, "nobody", "x")
    assert missed[-2:] == [UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("user", "logged"), [("ada", "user ada: "), ("Typed-here-1\nINFO login ok", f"user {UNKNOWN}: ")]
)
def test_a_log_hears_of_no_name_that_nobody_has(gate, caplog, user, logged):
    with pytest.raises(flight.FlightUnauthenticatedError, match=user):
        CallerFactory(gate).start_call(None, {"authorization": [basic(user, "wrong")]})
    assert caplog.messages == [f"login refused: {logged}invalid username or password"]


def test_names_without_end_take_no_memory_without_end(clock):
    throttle = Throttle((), clock)
    for number in range(MAX_NAMES + 10):
        throttle.judge(f"name {number}", "x", right=False)
    assert len(throttle._strangers) == MAX_NAMES


def test_names_without_end_push_no_user_out(clock):
    throttle = Throttle({"ada"}, clock)
    for number in range(FREE + 1):
        throttle.judge("ada", f"guess {number}", right=False)
    for number in range(MAX_NAMES + 10):
        throttle.judge(f"name {number}", "x", right=False)
    assert throttle.judge("ada", "another guess", right=False).wait_seconds == 1.0


def test_nobody_keeps_a_user_with_a_long_password_out_by_guessing(clock):
    guarded = Gate({"ada": "a" * LONG_PASSWORD}, token_seconds=60, session_seconds=30, clock=clock)
    assert "was not looked at" in guess(guarded, FREE + 2, "ada")[-1]
    assert guarded.login(basic("ada", "a" * LONG_PASSWORD)).user == "ada"


def test_what_was_long_ago_is_forgotten(guarded, clock):
    guess(guarded, FREE + 1)
    clock.now += 901
    assert all("invalid" in text for text in guess(guarded, FREE))
    assert guarded.login(basic("ada", "right")).user == "ada"
