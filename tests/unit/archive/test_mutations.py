"""However a folder or archive is broken, the answer is a report or a typed error, never a traceback."""

import contextlib
import io
import json
import shutil
import tempfile
import zipfile
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.archive import stated_keys
from lakehouse.archive.child import TASKS
from lakehouse.archive.eds import load_description
from lakehouse.archive.inbox import arrivals, submit
from lakehouse.archive.landing import land
from lakehouse.archive.reading import raw_tables, raw_texts, typed
from lakehouse.archive.register import register_rows
from lakehouse.archive.validate import Report, validate
from lakehouse.errors import LakehouseError

FILES = (
    "dataset.yaml",
    "tables/rooms/columns.yaml",
    "tables/rooms/rooms.csv",
    "tables/lessons/columns.yaml",
    "tables/lessons/lessons.csv",
    "texts/sheets/collection.yaml",
    "texts/sheets/documents.jsonl",
)
YAML_SNIPPETS = (
    b": ",
    b"- ",
    b"? ",
    b"&a",
    b"*a",
    b"null",
    b"true",
    b"1e400",
    b"[" * 3000,
    b"!!python/name:os",
    b"levels: []",
)
FIELD_SNIPPETS = (
    b"version: 1",
    b"name: x",
    b"columns:",
    b"primary_key: [size]",
    b"maximum: " + b"9" * 400,
    b"maximum: .nan",
)
COLUMN_SNIPPETS = (
    b"room",
    b"type: string",
    b"references: lessons.room",
    b'pattern: "("',
    b"minimum: 5",
    b"required: true",
)
CELL_SNIPPETS = (
    b'"',
    b",",
    b"\r",
    b"\n",
    b"-1",
    b"9" * 30,
    b"2024-02-30",
    b"0000-00-00",
    b"{room}",
    b"{0}",
    b"%s",
    b"a@b.org",
)
TEXT_SNIPPETS = (
    b"",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{",
    b"]" * 40,
    b'"\\ud800"',
    b"\\ud800",
    b"\xe2\x80\xa8",
    b"\xc3\xa9",
)
SNIPPETS = st.sampled_from(YAML_SNIPPETS + FIELD_SNIPPETS + COLUMN_SNIPPETS + CELL_SNIPPETS + TEXT_SNIPPETS)
BODIES = SNIPPETS | st.binary(max_size=30)


@st.composite
def mutations(draw):
    """What to do to one file: cut out a part and put something else there, remove it, or move it."""
    name = draw(st.sampled_from(FILES))
    kind = draw(st.sampled_from(["splice", "splice", "splice", "replace", "remove", "move"]))
    return kind, name, draw(st.floats(0, 1)), draw(st.integers(0, 40)), draw(BODIES), draw(st.sampled_from(FILES))


def mutate(folder, mutation):
    kind, name, where, length, body, other = mutation
    path, target = folder / name, folder / other
    if not path.is_file():
        return
    if kind == "remove":
        path.unlink()
    elif kind == "move":
        path.replace(target)
    elif kind == "replace":
        path.write_bytes(body)
    else:
        old = path.read_bytes()
        at = int(where * len(old))
        path.write_bytes(old[:at] + body + old[at + length :])


def take_in(source, into):
    """Everything that is done to a submission from outside."""
    landed = land(source, into)
    report = validate(landed.folder, submission="lessons@1", content_sha256=landed.content_sha256)
    assert Report.from_json(report.to_json()) == report
    assert report.as_text()
    assert report.as_markdown()
    assert (report.exit_code == 0) == report.accepted
    for table, rows in register_rows(report).items():
        assert rows.schema == table.arrow_schema()
    if report.accepted:
        # What is accepted can be loaded: this is what acceptance promises.
        description = load_description(landed.folder)
        for name, raw in raw_tables(landed.folder, description):
            assert typed(raw, description.tables[name]).num_rows == report.table_rows[name]
        assert sum(rows.num_rows for _, rows in raw_texts(landed.folder, description)) == report.document_count
    return report


@pytest.fixture(scope="module")
def scratch():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module", autouse=True)
def tasks_here():
    """What a child process would do is done here, where a traceback is seen and not told as a task that broke off."""

    def do_here(task, arguments, costs, writable=()):
        module, _, name = TASKS[task].partition(":")
        return json.loads(json.dumps(getattr(import_module(module), name)(**arguments)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stated_keys, "do_apart", do_here)
        yield


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(mutations(), min_size=1, max_size=4))
def test_any_change_of_a_folder_is_judged_without_a_traceback(dataset, scratch, changes):
    work = Path(tempfile.mkdtemp(dir=scratch))
    folder = shutil.copytree(dataset, work / "lessons")
    for change in changes:
        mutate(folder, change)
    with contextlib.suppress(LakehouseError):
        take_in(folder, work / "landed")
    with contextlib.suppress(LakehouseError):
        arrival = submit(folder, work / "inbox")
        assert arrivals(work / "inbox") == [arrival]
    shutil.rmtree(work)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), length=st.integers(0, 30), body=BODIES)
def test_any_change_of_an_archive_is_judged_without_a_traceback(dataset, scratch, where, length, body):
    work = Path(tempfile.mkdtemp(dir=scratch))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FILES:
            archive.write(dataset / name, name)
    old = packed.getvalue()
    at = int(where * len(old))
    path = work / "lessons.zip"
    path.write_bytes(old[:at] + body + old[at + length :])
    with contextlib.suppress(LakehouseError):
        take_in(path, work / "landed")
    with contextlib.suppress(LakehouseError):
        arrival = submit(path, work / "inbox")
        assert arrivals(work / "inbox") == [arrival]
    shutil.rmtree(work)
