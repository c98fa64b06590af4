"""Statements that are run one after another, their rows written to a file or to standard output."""

import shutil
import sys
from pathlib import Path

import click

from dagster_project.sql_asking import Asking, statements
from dagster_project.sql_output import BINARY, Form, as_bytes, as_text, save, tell_remark
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.errors import OutputExistsError


class Batch:
    """Runs statements and writes their rows in one form; the first that fails ends it."""

    def __init__(self, queries: DremioQueries, form: Form, output: Path | None, *, spreadsheet: bool) -> None:
        self._queries = queries
        self._form = form
        self._output = output
        self._spreadsheet = spreadsheet

    def run(self, text: str) -> None:
        """Run every statement of a text. Raises what the client raises, and OutputExistsError before anything runs."""
        found = statements(text)
        if not found:
            raise click.UsageError("there is no statement; write one, such as: select * from kpi.submissions")
        whole = self._output is not None or self._form in BINARY
        if whole and len(found) > 1:
            raise click.UsageError(f"--format {self._form} to a file takes one statement, and there are {len(found)}")
        if self._output is not None and self._output.exists():
            raise OutputExistsError(f"{self._output} is there already; name another file, or remove it first")
        if self._form in BINARY and self._output is None and sys.stdout.isatty():
            raise click.UsageError(f"--format {self._form} is not for a terminal; use --output FILE or a pipe")
        try:
            for sql in found:
                self._write(sql)
        finally:
            self._queries.close()

    def _write(self, sql: str) -> None:
        rows = Asking(self._queries, sql).wait()
        if self._output is not None:
            save(self._output, as_bytes(rows, self._form, spreadsheet=self._spreadsheet))
            click.echo(f"{rows.num_rows} rows written to {self._output}", err=True)
        elif self._form in BINARY:
            sys.stdout.buffer.write(as_bytes(rows, self._form))
            sys.stdout.buffer.flush()
        else:
            width = shutil.get_terminal_size((200, 24)).columns if sys.stdout.isatty() else 200
            sys.stdout.write(as_text(rows, self._form, width=width, spreadsheet=self._spreadsheet))
        tell_remark(rows)
