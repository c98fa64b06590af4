"""The interactive `lakehouse sql`: history, completion, statements over lines, and a few commands of its own."""

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout

from dagster_project.sql_asking import Asking, is_complete, statements
from dagster_project.sql_output import BINARY, FORMS, Form, as_text, tell_remark
from dagster_project.stopping import terminated
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.endpoint.functions import FUNCTIONS
from lakehouse.errors import LakehouseError

PROMPT, MORE = "lakehouse> ", "      ...> "
MOST_ROWS = 1000
MOST_INTERRUPTS = 5
KEYWORDS = re.findall(
    r"\w+",
    """SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET JOIN LEFT RIGHT FULL INNER CROSS ON USING AS AND OR NOT IN
    IS NULL LIKE BETWEEN EXISTS CASE WHEN THEN ELSE END CAST DISTINCT UNION INTERSECT EXCEPT ALL WITH QUALIFY OVER
    PARTITION ROLLUP CUBE AT SNAPSHOT TIMESTAMP BRANCH SHOW TABLES SCHEMAS DESCRIBE USE""",
)
HELP = """\
A statement ends with ; and may go over several lines. Ctrl-C cancels a running statement, or drops the lines typed
so far; Ctrl-D leaves. Tab completes keywords, functions, tables and columns.

  \\d            tables and views            \\d NAME       columns of a table or view
  \\dn           schemas                     \\f FORM       draw rows as table, csv, json or jsonl
  \\timing       show how long it took       \\purpose P    ask for another purpose from now on
  \\refresh      read the names again        \\h, \\?        this help
  \\q            leave

Examples
  select * from kpi.submissions;
  select dataset, count(*) as files from lakehouse.gold.loads group by dataset;
  select * from lakehouse.gold.loads at timestamp '2026-01-31 12:00:00';
"""
COLUMNS = "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS"
WORD = re.compile(r'[\w."]+$')
Connect = Callable[[str], DremioQueries]


class Names(Completer):
    """Completes what can stand in a statement; names are read from the engine when they are first needed."""

    def __init__(self, read: Callable[[], Iterable[tuple[str, str, str]]]) -> None:
        self._read = read
        self._tables: dict[str, list[str]] | None = None

    def forget(self) -> None:
        """Read the names again when they are needed next."""
        self._tables = None

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield tables, columns of the tables named so far, keywords and functions that begin with the word typed."""
        del complete_event
        found = WORD.search(document.text_before_cursor)
        typed = found[0] if found else ""
        if not typed:
            return
        for candidate in self._candidates(document.text, typed):
            if candidate.lower().startswith(typed.lower()) and candidate.lower() != typed.lower():
                yield Completion(candidate, start_position=-len(typed))

    def _candidates(self, text: str, typed: str) -> Iterator[str]:
        tables = self._known()
        named = [name for name in tables if name.lower() in text.lower()]
        yield from sorted({column for name in named for column in tables[name]})
        yield from sorted(tables)
        upper = typed.isupper()
        yield from (word if upper else word.lower() for word in (*KEYWORDS, *sorted(FUNCTIONS)))

    def _known(self) -> dict[str, list[str]]:
        if self._tables is None:
            found: dict[str, list[str]] = {}
            try:
                for schema, table, column in self._read():
                    found.setdefault(f"{schema}.{table}", []).append(column)
            except LakehouseError:
                return {}  # the engine is away; completion goes on with keywords
            self._tables = found
        return self._tables


class Shell:
    """Reads statements until the end of its input, and shows what they give."""

    def __init__(self, connect: Connect, purpose: str, history: Path, *, form: Form = "table") -> None:
        self._connect = connect
        self._queries = connect(purpose)
        self._names = Names(self._columns)
        self._form = form
        self._timing = False
        self._history = history

    def run(self) -> None:
        r"""Read and answer until Ctrl-D or \q."""
        # A script that was started in the background leaves this signal ignored to whatever it starts, and Python then
        # takes it from nobody; a shell that somebody sits before hears Ctrl-C all the same, as psql does.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        session = self._session()
        click.echo("SQL over what is published. \\? is for help, Ctrl-D leaves.")
        while True:
            try:
                with patch_stdout(raw=True):
                    text = session.prompt(PROMPT)
            except KeyboardInterrupt:
                if terminated():
                    raise
                continue
            except EOFError:
                break
            if text.strip() in {"\\q", "quit", "exit", "quit;", "exit;"}:
                break
            self._answer(text)
        self._queries.close()

    def _session(self) -> PromptSession[str]:
        self._history.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._history, os.O_CREAT | os.O_APPEND, 0o600))
        self._history.chmod(0o600)
        return PromptSession(
            history=FileHistory(str(self._history)),
            completer=self._names,
            complete_while_typing=False,
            complete_in_thread=True,
            multiline=Condition(lambda: True),
            prompt_continuation=MORE,
            key_bindings=_keys(),
            enable_history_search=False,
        )

    def _answer(self, text: str) -> None:
        if text.strip().startswith("\\"):
            self._guarded(lambda: self._command(text.strip()))
            return
        for statement in statements(text):
            if not self._guarded(lambda sql=statement: self._show(sql)):  # type: ignore[misc]  # bound at once
                return

    def _guarded(self, act: Callable[[], None]) -> bool:
        """Do something; say what went wrong and go on. False when it did."""
        try:
            act()
        except KeyboardInterrupt:
            if not _tell_cancelled():
                raise
            return False
        except LakehouseError as error:
            click.echo(f"error: {error}", err=True)
            return False
        return True

    def _show(self, sql: str) -> None:
        started = time.monotonic()
        rows = Asking(self._queries, sql).wait()
        shown = rows.slice(0, MOST_ROWS)
        sys.stdout.write(as_text(shown, self._form, width=shutil.get_terminal_size().columns))
        if rows.num_rows > MOST_ROWS:
            click.echo(f"the first {MOST_ROWS} of {rows.num_rows}; write all of them with --output")
        tell_remark(rows)
        if self._timing:
            click.echo(f"{time.monotonic() - started:.3f} s")

    def _command(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            "\\d": lambda name: self._show(f"DESCRIBE {name}" if name else "SHOW TABLES"),
            "\\dn": lambda _: self._show("SHOW SCHEMAS"),
            "\\f": self._choose,
            "\\timing": lambda _: self._time(),
            "\\purpose": self._ask_for,
            "\\refresh": lambda _: self._names.forget(),
            "\\h": lambda _: click.echo(HELP, nl=False),
            "\\?": lambda _: click.echo(HELP, nl=False),
        }
        if word not in commands:
            click.echo(f"error: there is no command {word}; \\? lists those there are", err=True)
            return
        commands[word](rest.strip().rstrip(";"))

    def _time(self) -> None:
        self._timing = not self._timing
        click.echo(f"timing is {'on' if self._timing else 'off'}")

    def _ask_for(self, purpose: str) -> None:
        self._queries.close()
        self._queries = self._connect(purpose)
        self._names.forget()
        click.echo(f"asking for {purpose or 'the default purpose'}")

    def _choose(self, form: str) -> None:
        chosen = next((one for one in FORMS if one == form and one not in BINARY), None)
        if chosen is None:
            click.echo(
                f"error: rows are not drawn as {form or 'nothing'}; choose table, csv, json or jsonl", file=sys.stderr
            )
        else:
            self._form = chosen

    def _columns(self) -> Iterable[tuple[str, str, str]]:
        rows = self._queries.fetch(COLUMNS)
        return zip(*(column.to_pylist() for column in rows.columns), strict=True)


def _tell_cancelled() -> bool:
    """Say so and return True, or False where the shell shall end.

    That is whatever else of the interrupt is still on its way: a fetch that is cancelled may raise it once more.
    """
    for _ in range(MOST_INTERRUPTS):
        try:
            if terminated():
                return False
            click.echo("cancelled", err=True)
        except KeyboardInterrupt:
            continue
        break
    return True


def _keys() -> KeyBindings:
    """Let Enter send what is complete, and begin a line otherwise."""
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer: Buffer = event.current_buffer
        text = buffer.text.strip()
        if not text or text.startswith("\\") or text in {"quit", "exit"} or is_complete(text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys
