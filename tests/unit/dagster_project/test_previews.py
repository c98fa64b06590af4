"""Runs whose pages quote documents of a dataset go, and those that quote another dataset's stay."""

import dagster as dg
import pyarrow as pa
import pytest

from assets.house import preview
from dagster_project.previews import PARTITION, forget_runs

SHOWN = {
    "notes": "notes/stories/1@1",
    "another's end": "exam_notes/stories/1@1",
    "another's collection": "exam/notes/1@1",
    "odd": "notes_/stories/1@1",
    "in a sentence": "1 says notes/stories/1@1",
}


@dg.asset
def quoting(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    shown = SHOWN.get(context.run.tags["shows"], "nothing of documents")
    return dg.MaterializeResult(metadata={"preview": preview(pa.table({"document_id": [shown]}))})


@pytest.fixture
def instance():
    with dg.instance_for_test() as made:
        for name in (*SHOWN, "nothing"):
            dg.materialize([quoting], instance=made, tags={"shows": name})
        dg.materialize([quoting], instance=made, tags={"shows": "nothing", PARTITION: "notes@1"})
        yield made


def left(instance):
    return {run.tags["shows"] for run in instance.get_runs()}


def test_runs_that_quote_documents_of_another_dataset_stay(instance):
    assert forget_runs(instance, "notes@1") == 3
    assert left(instance) == {"another's end", "another's collection", "odd", "nothing"}
    assert not [run for run in instance.get_runs() if PARTITION in run.tags]
    assert forget_runs(instance, "notes@1") == 0, "again is no error"


def test_a_name_that_markdown_shows_otherwise_is_found(instance):
    assert forget_runs(instance, "notes_@1") == 1
    assert left(instance) == {*SHOWN, "nothing"} - {"odd"}
