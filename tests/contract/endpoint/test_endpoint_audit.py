"""The record of statements: who asked what for what, how it ended, and who may look at it in SQL."""

import datetime as dt
import json
import time

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.endpoint.config import AccessRules, EndpointConfig
from lakehouse.endpoint.reading import read
from lakehouse.endpoint.server import serve
from lakehouse.policy.statements import Statement, StatementLog
from lakehouse.policy.users import UsersFile

PASSWORDS = {"ada": "pass-ada", "eve": "pass-eve"}
POLICY = """\
roles: {auditor: [registered, audit]}
users:
  ada: {roles: [auditor], purposes: [any], default_purpose: reporting}
  eve: {purposes: [statistics], default_purpose: reporting}
"""


class Audited:
    """A server that keeps statements, and a client for each user."""

    def __init__(self, lake, folder):
        policy = UsersFile(folder / "policy.yaml", "lakehouse")
        policy.path.write_text(POLICY)
        self.log = StatementLog(folder / "statements", lambda: policy.current().keep_statements_days, read)
        rules = AccessRules(policy.current, lambda _decision: None, self.log)
        config = EndpointConfig(users=PASSWORDS, roots=(str(lake.warehouse),), port=0)
        self.server = serve(config, lake.releases, rules)
        self.clients = {}

    def ask(self, sql, user="ada"):
        if user not in self.clients:
            client = flight.FlightClient(self.server.uri)
            token = client.authenticate_basic_token(user, PASSWORDS[user])
            self.clients[user] = client, flight.FlightCallOptions(headers=[token])
        client, options = self.clients[user]
        info = client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()), options)
        return client.do_get(info.endpoints[0].ticket, options).read_all().to_pylist()

    def kept(self):
        self.log.flush()
        files = sorted(self.log.folder.glob("*"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def close(self):
        for client, _ in self.clients.values():
            client.close()
        self.server.stop()


@pytest.fixture
def audited(lake, tmp_path):
    audited = Audited(lake, tmp_path)
    yield audited
    audited.close()


def test_every_statement_is_kept_without_its_values(audited):
    loads = "SELECT table_name FROM lakehouse.gold.loads WHERE dataset = 'Ada Lovelace' AND row_count > 41 LIMIT 3"
    rows = audited.ask(loads, user="eve")
    for sql in (
        "SELECT nothing FROM lakehouse.gold.loads",
        "DELETE FROM lakehouse.gold.loads WHERE x = 'Ada Lovelace'",
    ):
        with pytest.raises(pa.ArrowInvalid):
            audited.ask(sql, user="eve")
    with pytest.raises(pa.ArrowInvalid):
        audited.ask("SELECT CAST(table_name AS INTEGER) FROM lakehouse.gold.loads")
    first, second, third, fourth = audited.kept()
    assert (first["user_name"], first["purpose"], first["verdict"]) == ("eve", "reporting", "answered")
    assert (first["tables"], first["row_count"]) == ("lakehouse.gold.loads", len(rows))
    assert first["statement"].startswith("SELECT table_name FROM lakehouse.gold.loads WHERE dataset = ? AND row_count")
    assert first["seconds"] > 0
    assert [one["verdict"] for one in (second, third, fourth)] == ["refused", "refused", "failed"]
    assert "Lovelace" not in json.dumps([first, second, third, fourth])
    (file,) = audited.log.folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_statement_with_other_values_has_the_same_fingerprint():
    one, other = (read(f"select  a from t where b = {value} -- {value}") for value in ("'x'", "17"))
    assert one == other
    assert one.tables == "t"
    assert read("with q as (select 1 as a) select a from q").tables == ""
    assert read("SHOW TABLES LIKE 'secret'").statement.count("secret") == 0
    assert read("select 'open").statement == "(a text that does not split into words)"


def test_who_may_audit_asks_the_record_in_sql(audited):
    audited.ask("SELECT 1", user="eve")
    counted = "SELECT user_name, verdict, COUNT(*) AS n FROM sys.statements GROUP BY user_name, verdict"
    assert audited.ask(counted) == [{"user_name": "eve", "verdict": "answered", "n": 1}]
    assert {row["user_name"] for row in audited.ask("SELECT user_name FROM sys.statements")} == {"ada", "eve"}
    described = {row["COLUMN_NAME"]: row["DATA_TYPE"] for row in audited.ask("DESCRIBE sys.statements")}
    assert described["asked_at"] == "TIMESTAMP"
    with pytest.raises(flight.FlightUnauthorizedError, match="user eve has not the right audit"):
        audited.ask(counted, user="eve")
    assert audited.kept()[-1]["verdict"] == "denied"


def test_an_abandoned_stream_is_kept_as_cancelled(audited):
    client = flight.FlightClient(audited.server.uri)
    token = client.authenticate_basic_token("ada", PASSWORDS["ada"])
    options = flight.FlightCallOptions(headers=[token])
    loads = "lakehouse.gold.loads"
    sql = f"SELECT a.table_name FROM {loads} a, {loads} b, {loads} c, {loads} d ORDER BY 1"
    info = client.get_flight_info(flight.FlightDescriptor.for_command(sql.encode()), options)
    stream = client.do_get(info.endpoints[0].ticket, options)
    stream.cancel()
    client.close()
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=120)
    while not (kept := audited.kept()) and dt.datetime.now(dt.UTC) < deadline:
        time.sleep(0.2)
    assert kept[0]["verdict"] == "cancelled"


def test_statements_are_forgotten_after_their_days(tmp_path):
    log = StatementLog(tmp_path, lambda: 30, read)
    today = dt.datetime.now(dt.UTC)
    for days in (0, 29, 31):
        day = (today - dt.timedelta(days=days)).date().isoformat()
        (tmp_path / f"statements-{day}.jsonl").write_text("")
    log.record(Statement(today, "ada", "reporting", "answered", "", "SELECT 1", 1, 0.1))
    log.flush()
    assert len(list(tmp_path.iterdir())) == 2
    assert log.rows()["statement"].to_pylist() == ["SELECT ?"]


def test_wrong_passwords_are_on_record_and_slowed_and_other_users_go_on(audited, monkeypatch):
    now = [1000.0]  # turned by hand: how long a call takes here says nothing
    monkeypatch.setattr(audited.server.gate._throttle, "_clock", lambda: now[0])
    client = flight.FlightClient(audited.server.uri)
    for number in range(4):
        with pytest.raises(flight.FlightUnauthenticatedError, match="invalid username or password"):
            client.authenticate_basic_token("eve", f"guess {number}")
    with pytest.raises(flight.FlightUnauthenticatedError, match=r"not looked at; try again in 1 second\b"):
        client.authenticate_basic_token("eve", PASSWORDS["eve"])
    client.close()
    asked = "SELECT user_name, verdict, reason, statement FROM sys.statements WHERE reason = 'UNAUTHENTICATED'"
    said = {"user_name": "eve", "verdict": "denied", "reason": "UNAUTHENTICATED", "statement": "LOGIN"}
    assert audited.ask(asked) == [said] * 4
    assert "guess" not in str(audited.kept())
