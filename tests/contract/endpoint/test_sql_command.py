"""`lakehouse sql` as people use it: in a real terminal (a pty), in pipes and with files."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyarrow as pa
import pytest

from dagster_project.settings import machine_environment

PROJECT = Path(__file__).parents[3]
PATIENCE_SECONDS = 120
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])|\r")


@pytest.fixture
def environment(server, tmp_path):
    own = {
        "LAKEHOUSE_HOME": str(tmp_path / "state"),
        "LAKEHOUSE_STORAGE": "folder",
        "LAKEHOUSE_SQL_URI": server.uri,
        "LAKEHOUSE_SQL_USER": "ada",
        "LAKEHOUSE_SQL_PASSWORD": "correct horse battery 1",
    }
    return {**machine_environment(), **own, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "PYTHONPATH": str(PROJECT)}


def run(environment, *arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", "sql", *arguments],
        env=environment,
        input=stdin.encode(),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_statements_come_from_arguments_pipes_and_files_and_rows_go_to_files(environment, tmp_path):
    done = run(environment, "--format", "jsonl", stdin="select 1 as a; -- first\nselect ';' as b;")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"a": 1}, {"b": ";"}]
    (tmp_path / "asked.sql").write_text("select 7 as n")
    written = tmp_path / "rows.arrow"
    done = run(environment, "--file", str(tmp_path / "asked.sql"), "--format", "arrow", "--output", str(written))
    assert done.returncode == 0, done.stderr
    assert pa.ipc.open_stream(written.read_bytes()).read_all().to_pydict() == {"n": [7]}
    done = run(environment, "--format", "csv", "--output", str(written), "select 1")
    assert (done.returncode, b"is there already" in done.stderr) == (34, True)


@pytest.mark.parametrize(
    ("change", "arguments", "code", "told"),
    [
        ({}, ["select nothing"], 30, "nothing"),
        ({"LAKEHOUSE_SQL_PASSWORD": "wrong"}, ["select 1"], 31, "refused user 'ada'"),
        ({"LAKEHOUSE_SQL_URI": "grpc://127.0.0.1:9"}, ["select 1"], 50, "start it with `lakehouse up`"),
        ({}, ["--as", "nobody", "select 1"], 31, "user nobody has no password in policy.yaml"),
        ({}, ["--engine", "dremio", "select 1"], 16, "set LAKEHOUSE_DREMIO_URL"),
        ({}, ["--format", "parquet", "select 1; select 2"], 2, "takes one statement"),
        ({}, [" -- nothing"], 2, "there is no statement"),
    ],
)
def test_each_kind_of_error_has_its_exit_code(environment, change, arguments, code, told):
    done = run({**environment, **change}, *arguments)
    assert done.returncode == code
    assert told in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


class Terminal:
    """A program in a terminal of its own, typed into and read from."""

    def __init__(self, environment, *arguments, columns=100):
        command = [sys.executable, "-m", "dagster_project.cli", "sql", *arguments]
        mine, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, columns))
        self.process = subprocess.Popen(
            command, env=_of_terminal(environment), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: _own_terminal(theirs),
        )  # fmt: skip
        os.close(theirs)
        self.mine = mine
        self.text = ""

    def type(self, keys):
        os.write(self.mine, keys.encode())

    def shows(self, expected, seconds):
        """Say whether a text comes within so many seconds; it is left to be read."""
        try:
            before = self.read_until(expected, seconds)
        except AssertionError:
            return False
        self.text = f"{before}{expected}{self.text}"
        return True

    def read_until(self, expected, seconds=PATIENCE_SECONDS):
        """Return what came up to some text, which is taken away; fail when it does not come."""
        until = time.monotonic() + seconds
        while expected not in self.text:
            assert time.monotonic() < until, f"{expected!r} did not come in {self.text[-2000:]!r}"
            ready, _, _ = select.select([self.mine], [], [], 1.0)
            if ready:
                try:
                    self.text += ESCAPES.sub("", os.read(self.mine, 65536).decode(errors="replace"))
                except OSError as error:
                    raise AssertionError(f"it ended before {expected!r}: {self.text[-2000:]!r}") from error
        before, _, self.text = self.text.partition(expected)
        return before

    def close(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.mine)


def _of_terminal(environment):
    """Return the environment without a size, which would count for more than the terminal's own."""
    return {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}


def _own_terminal(fd):
    import fcntl

    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
    # As a script in the background leaves it to what it starts; nobody hears Ctrl-C then, unless it is taken back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture
def terminal(environment):
    started = []

    def start(*arguments, **options):
        started.append(Terminal(environment, *arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


SLOW = "select count(*) from " + ", ".join(f"lakehouse.gold.loads l{n}" for n in range(7))


@pytest.mark.timeout(900)
def test_a_shell_answers_over_lines_completes_cancels_and_remembers(terminal, environment):
    shell = terminal()
    shell.read_until("lakehouse>")
    shell.type("select 40 + 2\r")
    shell.read_until("...>")
    shell.type("as answer;\r")
    shell.read_until("│     42 │")
    shell.read_until("lakehouse>")
    shell.type("select nothing from lakehouse.gold.loads;\r")
    shell.read_until("error: ")
    shell.read_until("lakehouse>")
    shell.type("select 'dropped' as said")
    shell.read_until("dropped")
    shell.type("\x03")
    for _ in range(20):
        # Under load the key may come before the statement runs; then it drops the line, and is tried again.
        shell.type(f"{SLOW};\r")
        time.sleep(1)
        shell.type("\x03")
        if shell.shows("cancelled", 15):
            break
    shell.read_until("cancelled")
    shell.type("select 'still here' as said;\r")
    shell.read_until("│ still here │")
    shell.type("\\d lakehouse.gold.loads\r")
    shell.read_until("CHARACTER VARYING")
    shell.type("\\q\r")
    assert shell.process.wait(PATIENCE_SECONDS) == 0
    history = Path(environment["LAKEHOUSE_HOME"]) / "sql_history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert "+as answer;" in history.read_text()


@pytest.mark.parametrize("typed", ["", f"{SLOW};\r"])
def test_sigterm_ends_a_shell_at_its_prompt_and_in_a_statement(terminal, typed):
    shell = terminal()
    shell.read_until("lakehouse>")
    shell.type("select 1 as one;\r")
    shell.read_until("│   1 │")
    shell.read_until("lakehouse>")
    shell.type("dropped\x03")
    shell.read_until("lakehouse>")
    if typed:
        shell.type(typed)
        time.sleep(1)
    shell.process.send_signal(signal.SIGTERM)
    shell.read_until("stopped")
    assert shell.process.wait(PATIENCE_SECONDS) == 143
    mode = termios.tcgetattr(shell.mine)[3]
    assert mode & termios.ECHO, "the terminal is left as it was"


MANY = "select a.document_id from lakehouse.gold.documents a, lakehouse.gold.documents b"
TOO_MANY, TOO_SLOW = "more than 1000 rows; add a LIMIT or aggregate", "longer than 0.5 seconds; ask for less at a time"


@pytest.fixture
def limited(own_server, environment):
    """The environment of someone who asks an endpoint with tight limits."""
    environment["LAKEHOUSE_SQL_URI"] = own_server(statement_seconds=0.5, result_rows=1000).uri
    return environment


def test_a_limit_ends_a_batch_with_the_code_of_its_kind_and_says_what_to_do(limited):
    for sql, code, told in ((MANY, 30, TOO_MANY), (SLOW, 50, TOO_SLOW)):
        done = run(limited, "--format", "jsonl", f"select 1 as a; {sql}; select 2 as a")
        assert done.returncode == code
        assert [json.loads(line) for line in done.stdout.splitlines()] == [{"a": 1}], "none of a result in pieces"
        assert told in done.stderr.decode()
        assert "Traceback" not in done.stderr.decode()


def test_a_shell_goes_on_in_its_session_after_a_limit(limited, terminal):
    shell = terminal(columns=200)
    shell.read_until("lakehouse>")
    shell.type("use lakehouse.gold;\r")
    for sql, told in ((MANY, TOO_MANY), (SLOW, TOO_SLOW)):
        shell.type(f"{sql};\r")
        shell.read_until("error: ")
        shell.read_until(told)
    shell.type("select count(*) * 2 as twice from documents;\r")
    shell.read_until("│    80 │")
    shell.type("\\q\r")
    assert shell.process.wait(PATIENCE_SECONDS) == 0


def test_names_are_completed_from_what_is_published(terminal):
    shell = terminal()
    shell.read_until("lakehouse>")
    shell.type("describe lakehouse.gold.token_s\t")
    shell.read_until("hares")  # the terminal is sent what changes only
    shell.type(";\r")
    shell.read_until("token_count")


def test_rows_are_drawn_as_records_where_the_terminal_is_narrow(terminal):
    shell = terminal("select * from kpi.outcomes_by_year limit 1", columns=20)
    said = shell.read_until("1 row")
    assert "-- row 1 --" in said
    assert re.search(r"institutions +\| \d+", said)
