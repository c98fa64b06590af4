"""The views about models: which one is current, and on which test set it is measured."""

from datetime import UTC, datetime, timedelta

import yaml

MORNING = datetime(2026, 1, 2, 8, tzinfo=UTC)


def run(minutes):
    return {"run_id": "r", "code_commit": "c", "recorded_at": MORNING + timedelta(minutes=minutes)}


def version(name, minutes):
    return {"model_version": name, "recipe": "{}", "documents_snapshot": "7", **run(minutes)}


def promotion(name, minutes, *, promoted, snapshot="old"):
    key = {"model_version": name, "evaluation_snapshot": snapshot}
    return {**key, "promoted": promoted, "reason": "numbers", **run(minutes)}


def evaluation(name, snapshot, bits, minutes):
    key = {"model_version": name, "evaluation_snapshot": snapshot, "evaluator": "gpt", "slice": "docs"}
    return {**key, "bits_per_byte": bits, "byte_count": 100, "document_count": 3, **run(minutes)}


def fetch(connection, sql):
    return connection.execute(sql).fetchall()


def test_a_newer_rejected_version_is_not_current(published):
    connection = published(
        {
            "gold.model_versions": [version("a", 0), version("b", 10), version("c", 20)],
            "gold.promotions": [
                promotion("a", 0, promoted=True),
                promotion("b", 10, promoted=True),
                promotion("c", 20, promoted=False),
            ],
        }
    )
    current = fetch(connection, "select model_version, is_newest, is_current from kpi.model_versions order by 1")
    assert current == [("a", 0, 0), ("b", 0, 1), ("c", 1, 0)]
    standing = fetch(connection, "select model_version, standing from kpi.promotions order by 1")
    assert standing == [("a", "replaced"), ("b", "current"), ("c", "rejected")]


def stage(name, number, word, minutes):
    key = {"event_key": f"{number:010d}:{word}:{name}", "model_version": name, "stage": word}
    return {**key, "decided_by": "ada", "reason": "words", **run(minutes)}


def test_a_persons_decisions_move_what_is_current(published):
    promoted = [promotion("a", 0, promoted=True), promotion("b", 10, promoted=True)]
    versions = {"gold.model_versions": [version("a", 0), version("b", 10)], "gold.promotions": promoted}
    back = [stage("b", 5, "rolled_back", 20), stage("a", 5, "current", 20)]
    steps = {
        "rolled back": (back, [("a", "current"), ("b", "rolled back")]),
        "forward again": (
            [*back, stage("a", 6, "rolled_back", 30), stage("b", 6, "current", 30)],
            [("a", "rolled back"), ("b", "current")],
        ),
        "retired": ([*back, stage("b", 7, "retired", 30)], [("a", "current"), ("b", "retired")]),
    }
    for rows, wanted in steps.values():
        connection = published(versions | {"gold.model_stages": rows})
        assert fetch(connection, "select model_version, standing from kpi.promotions order by 1") == wanted


def test_a_version_that_waits_shows_who_let_it_through(published):
    waits = promotion("a", 0, promoted=False) | {"waits": True}
    rows = {"gold.model_versions": [version("a", 0)], "gold.promotions": [waits]}
    both = (
        "select m.stage, m.decided_by, m.is_current, p.standing "
        "from kpi.model_versions as m inner join kpi.promotions as p on m.model_version = p.model_version"
    )
    assert fetch(published(rows), both) == [(None, None, 0, "waits for approval")]
    approved = rows | {"gold.model_stages": [stage("a", 5, "current", 20)]}
    assert fetch(published(approved), both) == [("current", "ada", 1, "current")]


def judged(name, number, *, promoted=False, waits=False, judgement="none:t"):
    key = {"model_version": name, "evaluation_snapshot": "held-out", "judgement": judgement, "classifier": name[0]}
    row = {**key, "event_key": f"{number:010d}:0:judged:{name}", "promoted": promoted, "waits": waits, "base": "gpt"}
    return {**row, **run(60 - number)}  # clocks differ; releases say which came later


def standings(connection):
    return dict(fetch(connection, "select model_version, standing from kpi.classifier_versions order by 1"))


def test_a_classifiers_standing_follows_gate_people_and_withdrawals(published):
    rows = [
        judged("t1", 1, promoted=True),
        judged("t2", 2, waits=True, judgement="t1:t"),
        judged("t3", 3, judgement="t1:t"),
        judged("u1", 4, promoted=True),
    ]
    seen = standings(published({"gold.classifier_versions": rows}))
    assert seen == {"t1": "in use", "t2": "waits for approval", "t3": "rejected", "u1": "in use"}
    approved = [stage("t2", 5, "current", 0)]
    seen = standings(published({"gold.classifier_versions": rows, "gold.model_stages": approved}))
    assert seen == {"t1": "replaced", "t2": "in use", "t3": "rejected", "u1": "in use"}
    back = [*approved, stage("t2", 6, "rolled_back", 0), stage("t1", 6, "current", 0), stage("u1", 7, "retired", 0)]
    told = {"gold.classifier_versions": rows, "gold.model_stages": back}
    assert standings(published(told)) == {"t1": "in use", "t2": "rolled back", "t3": "rejected", "u1": "retired"}
    gone = {"model_version": "t1", "receipt": "w1", "reason": "learned from somebody", **run(0)}
    assert standings(published({**told, "gold.model_quarantines": [gone]}))["t1"] == "in quarantine"
    later = judged("t1", 8, promoted=True, judgement="none:other")
    shown = fetch(
        published({"gold.classifier_versions": [*rows, later]}),
        "select model_version, version_number, is_in_use from kpi.classifier_versions order by classifier, 2",
    )
    assert shown == [("t1", 1, 1), ("t2", 2, 0), ("t3", 3, 0), ("u1", 1, 1)], "its newest judgement, and no second row"


def test_no_version_is_current_before_one_is_promoted(published):
    connection = published(
        {"gold.model_versions": [version("a", 0)], "gold.promotions": [promotion("a", 0, promoted=False)]}
    )
    assert fetch(connection, "select is_newest, is_current from kpi.model_versions") == [(1, 0)]


def test_the_newest_test_set_alone_is_marked(published):
    connection = published(
        {
            "gold.model_versions": [version("a", 0)],
            "gold.promotions": [promotion("a", 0, promoted=True)],
            "gold.evaluations": [evaluation("a", "old", 2.0, 0), evaluation("a", "new", 3.0, 10)],
        }
    )
    for view in ("model_quality", "quality_by_dataset"):
        marked = fetch(
            connection,
            f"select evaluation_snapshot from kpi.{view} where is_newest_snapshot = 1 and is_current = 1",
        )
        assert marked == [("new",)]


def test_a_column_with_two_drifted_measures_counts_once(published, pytestconfig):
    source = pytestconfig.rootpath / "superset" / "source" / "datasets" / "drift.yaml"
    metric = yaml.safe_load(source.read_text())["metrics"]["drifted"]["sql"]
    drift = {"table_name": "silver.t", "column_name": "x", "dataset": "d", "dataset_version": "2", "value": 1.0}
    drift |= {"reference_version": "1", "threshold": 0.2, **run(0)}
    rows = [
        drift | {"measure": "population_stability_index", "drifted": True},
        drift | {"measure": "missing_share_change", "drifted": True},
        drift | {"column_name": "y", "measure": "missing_share_change", "drifted": False},
    ]
    assert fetch(published({"gold.drift": rows}), f"select {metric} from kpi.drift") == [(1,)]
