"""An event log goes from the inbox to its tables, and a discipline's fields go with the dataset."""

import json
import uuid

from lakehouse.archive.pseudonyms import SilverKey

DATASET = """\
eds_version: "1.0"
name: tasks
version: "1"
title: Tasks
description: Answers to tasks.
accumulates: waves
licence: CC-BY-4.0
consent: {basis: public_task}
subjects: {pupil: {description: Pupils by random names., identifiers: [events/answers.actor]}}
disciplines: {education: {education_level: ["2"]}}
"""
LOG = 'title: Answers\ndescription: Answers.\nxapi_version: "2.0.0"\n'


def test_an_event_log_becomes_rows_of_its_own_tables(bench, tmp_path):
    folder = tmp_path / "tasks"
    log = folder / "events" / "answers"
    log.mkdir(parents=True)
    (folder / "dataset.yaml").write_text(DATASET, encoding="utf-8")
    (log / "log.yaml").write_text(LOG, encoding="utf-8")
    said = [
        {
            "id": str(uuid.UUID(int=number)),
            "actor": {"account": {"homePage": "https://school.example.org", "name": f"p{number}"}},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
            "object": {"id": "https://school.example.org/tasks/1"},
            "timestamp": "2024-01-31T08:00:00Z",
            "result": {"score": {"scaled": number / 10}},
        }
        for number in range(1, 6)
    ]
    (log / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said), encoding="utf-8")
    outcome = bench.loop.ingest(bench.arrive(folder))
    assert outcome.success, outcome.failure
    bronze, silver = bench.rows("bronze.tasks_answers"), bench.rows("silver.tasks_answers")
    assert [json.loads(row["statement"]) for row in bronze] == said
    made = SilverKey(bench.settings.home / "keys").open()
    assert sorted((row["score_scaled"], row["actor"]) for row in silver) == [
        (number / 10, made.text(f"p{number}")) for number in range(1, 6)
    ]
    assert "statement" not in silver[0]
    (commit,) = {row["dataset_commit"] for row in silver}
    assert {row["_dataset_commit"] for row in bronze} == {commit}
    assert len(commit) == 40
