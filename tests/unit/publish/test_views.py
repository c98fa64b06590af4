from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
import yaml

from lakehouse.errors import QueryError
from lakehouse.percent import percent
from lakehouse.publish import views
from lakehouse.publish.views import (
    all_required_tables,
    load_views,
    parse_view,
    publishable_views,
    required_tables,
    required_views,
)
from lakehouse.tables.gold import GOLD
from lakehouse.tables.register import REGISTER

DEFINED = {table.name for table in (*REGISTER, *GOLD)} | {"silver.college_scorecard_outcomes"}
MORNING = datetime(2026, 1, 2, 8, tzinfo=UTC)
SUBMISSION = {
    "submission": "marks@1",
    "content_sha256": "aa",
    "rules_version": "r1",
    "dataset": "marks",
    "dataset_version": "1",
    "verdict": "refused",
    "validated_at": MORNING,
}


def version(name, minutes, cause="first"):
    return {
        "model_version": name,
        "recipe": "{}",
        "documents_snapshot": "7",
        "cause": cause,
        "run_id": "r",
        "code_commit": "c",
        "recorded_at": MORNING + timedelta(minutes=minutes),
    }


def evaluation(model, evaluator, slice_name, bits, *, size=100):
    return {
        "model_version": model,
        "evaluation_snapshot": "held-out",
        "evaluator": evaluator,
        "slice": slice_name,
        "bits_per_byte": bits,
        "document_count": 3,
        "byte_count": size,
        "run_id": "r",
        "code_commit": "c",
        "recorded_at": MORNING,
    }


def fetch(connection, sql):
    return connection.execute(sql).to_arrow_table().to_pylist()


@pytest.mark.parametrize("name", sorted(load_views()))
def test_a_view_reads_only_defined_tables_and_views(name):
    view = load_views()[name]
    assert all_required_tables(view.sql) <= DEFINED
    assert required_views(view.sql) <= set(load_views())


@pytest.mark.parametrize("name", sorted(load_views()))
def test_a_view_names_every_column_in_lower_case(name):
    columns = parse_view(load_views()[name].sql).named_selects
    assert "*" not in columns
    assert columns == [column.lower() for column in columns]
    assert len(columns) == len(set(columns))


def test_every_view_runs_over_empty_tables_with_dates_as_times(published):
    connection = published({})
    fields = [
        field for name in load_views() for field in connection.execute(f"select * from {name}").to_arrow_table().schema
    ]
    wrong = [
        field
        for field in fields
        if (field.name.endswith("_at") and not pa.types.is_timestamp(field.type))
        or (field.name.endswith("_date") and not pa.types.is_date(field.type))
    ]
    assert wrong == []


def test_a_view_is_published_only_when_all_its_tables_are():
    assert publishable_views([]) == {}
    assert set(publishable_views(["archive.submissions"])) == {"kpi.submissions"}
    assert set(publishable_views(DEFINED)) == set(load_views())


def test_a_view_over_a_view_needs_the_tables_of_both():
    names = set(publishable_views(["gold.predictions"]))
    assert "kpi.predictions" not in names
    assert "kpi.predictions" in publishable_views(
        ["gold.predictions", "gold.model_versions", "gold.promotions", "gold.model_stages", "gold.model_quarantines"]
    )


def test_tables_are_named_as_in_a_release():
    assert required_tables("select a from lakehouse.gold.loads as l") == {"gold.loads"}
    assert required_tables("with x as (select a from lakehouse.gold.drift) select a from x") == {"gold.drift"}


@pytest.mark.parametrize("sql", ["select a from gold.loads", "select a from elsewhere.gold.loads"])
def test_a_table_outside_the_lakehouse_is_refused(sql):
    with pytest.raises(QueryError, match="name tables lakehouse"):
        required_tables(sql)


@pytest.mark.parametrize(
    "sql", ["select 1 as a; select 2 as a", "drop table lakehouse.gold.loads", "select from where"]
)
def test_a_file_that_is_not_one_query_is_refused(sql):
    with pytest.raises(QueryError):
        parse_view(sql)


def test_a_view_that_reads_an_unknown_view_is_refused(monkeypatch):
    with pytest.raises(QueryError, match="no file"):
        all_required_tables("select a from kpi.nowhere")
    assert views.load_views() is load_views()


def test_shares_of_outcomes_are_sums_over_sums(published):
    outcomes = [
        {"unitid": 1, "state_abbr": "AL", "pred_degree_awarded_ipeds": "Two-year degree", "year": 2014} | counts
        for counts in (
            {"earnings_med": 30000.0, "count_working": 90.0, "count_not_working": 10.0},
            {"earnings_med": 50000.0, "count_working": 100.0, "count_not_working": 300.0},
            {"earnings_med": None, "count_working": None, "count_not_working": None},
        )
    ]
    connection = published({"silver.college_scorecard_outcomes": outcomes})
    (row,) = fetch(connection, "select * from kpi.outcomes_by_wave")
    assert row["wave_date"] == date(2014, 1, 1)
    assert row["institutions"] == 3
    assert row["median_earnings"] == row["mean_earnings"] == 40000.0
    assert row["working_share"] == pytest.approx(190 / 500)  # the mean of the two shares would be 0.575
    assert row["missing_share"] == pytest.approx(1 / 3)
    (state,) = fetch(connection, "select * from kpi.outcomes_by_state")
    assert (state["state"], state["working_share"]) == ("AL", pytest.approx(190 / 500))


def test_a_wave_without_any_earnings_has_no_figures_rather_than_zeros(published):
    outcomes = [{"unitid": 1, "state_abbr": "AL", "pred_degree_awarded_ipeds": "Two-year degree", "year": 2016}]
    (row,) = fetch(published({"silver.college_scorecard_outcomes": outcomes}), "select * from kpi.outcomes_by_wave")
    assert row["missing_share"] == 1.0
    assert row["working_share"] is None
    assert row["median_earnings"] is None


def test_model_versions_are_numbered_in_order_of_training(published):
    rows = {"gold.model_versions": [version("zebra", 0), version("ant", 30, "drift")]}
    numbered = fetch(published(rows), "select * from kpi.model_versions order by version_number")
    assert [(row["model_version"], row["version_number"], row["is_newest"]) for row in numbered] == [
        ("zebra", 1, 0),
        ("ant", 2, 1),
    ]


def test_the_gain_over_the_trigram_is_above_zero_when_the_model_is_better(published):
    rows = {
        "gold.model_versions": [version("m1", 0)],
        "gold.evaluations": [
            evaluation("m1", "gpt", "all", 2.0),
            evaluation("m1", "gpt", "docs", 2.0),
            evaluation("m1", "trigram", "docs", 2.5),
        ],
    }
    (row,) = fetch(published(rows), "select * from kpi.quality_by_dataset")
    assert row["dataset"] == "docs"
    assert row["gain_over_trigram"] == pytest.approx(0.5)
    assert row["unigram_bits_per_byte"] is None


def test_bits_per_byte_of_several_slices_weigh_by_bytes(published):
    rows = {
        "gold.model_versions": [version("m1", 0)],
        "gold.evaluations": [
            evaluation("m1", "gpt", "a", 1.0, size=300),
            evaluation("m1", "gpt", "b", 3.0, size=100),
        ],
    }
    (row,) = fetch(published(rows), "select sum(total_bits) / sum(byte_count) as bits from kpi.model_quality")
    assert row["bits"] == pytest.approx(1.5)


def test_findings_carry_the_verdict_of_their_submission_and_put_errors_first(published):
    common = {"submission": "marks@1", "content_sha256": "aa", "rules_version": "r1"}
    common |= {"place": "marks.csv", "validated_at": MORNING}
    rows = {
        "archive.submissions": [SUBMISSION],
        "archive.findings": [
            common | {"code": "UNIT_MISSING", "level": "warning"},
            common | {"code": "REFERENCE_BROKEN", "level": "error"},
        ],
    }
    found = fetch(published(rows), "select * from kpi.findings order by level_order")
    assert [(row["code"], row["verdict"]) for row in found] == [
        ("REFERENCE_BROKEN", "refused"),
        ("UNIT_MISSING", "refused"),
    ]


def test_only_the_newest_verdict_on_a_content_is_shown(published):
    later = SUBMISSION | {"rules_version": "r2", "verdict": "accepted", "validated_at": MORNING + timedelta(days=1)}
    rows = {"archive.submissions": [SUBMISSION, later], "archive.findings": []}
    assert [row["verdict"] for row in fetch(published(rows), "select * from kpi.submissions")] == ["accepted"]


SHARES = [0.0, 0.29, 0.4999, 0.57, 0.79999, 0.8, 0.9565217, 0.95679, 0.9996, 1 - 1e-12, 1.0]


def test_a_fair_score_is_published_as_reports_and_the_catalogue_tell_it(published):
    rows = [SUBMISSION | {"submission": f"marks@{place}", "fair_score": share} for place, share in enumerate(SHARES)]
    shown = fetch(published({"archive.submissions": rows}), "select fair_score from kpi.submissions")
    assert [f"{score:.1%}" for score in sorted(row["fair_score"] for row in shown)] == [percent(one) for one in SHARES]


@pytest.mark.parametrize(
    ("dataset", "figure", "below"),
    [
        ("fair_indicators", "fair_share", {"points": 0.7999, "max_points": 1.0}),
        ("submissions", "accepted_share", None),
        ("promises", "kept_share", None),
    ],
)
def test_a_share_with_a_threshold_never_rounds_up_to_it(pytestconfig, dataset, figure, below):
    source = pytestconfig.rootpath / "superset" / "source" / "datasets" / f"{dataset}.yaml"
    metric = yaml.safe_load(source.read_text())["metrics"][figure]
    rows = [below] if below else [{"is_accepted": int(n > 0), "is_broken": int(n == 0)} for n in range(2500)]
    connection = duckdb.connect()
    connection.register("rows", pa.Table.from_pylist(rows))
    ((share,),) = connection.execute(f"select {metric['sql']} from rows").fetchall()
    assert metric["format"] == ".1%"
    assert f"{share:.1%}" == (percent(0.7999) if below else percent(2499 / 2500))


@pytest.mark.parametrize("turn", [1, -1])
def test_of_verdicts_of_one_time_the_one_after_an_acceptance_is_the_newest(published, turn):
    refused = SUBMISSION | {"error_count": 2}
    accepted = SUBMISSION | {"error_count": 0, "verdict": "accepted", "rules_version": "r2"}
    partly = SUBMISSION | {"error_count": 1, "rules_version": "r0"}
    rows = {"archive.submissions": [refused, accepted, partly][::turn], "archive.findings": []}
    assert [row["verdict"] for row in fetch(published(rows), "select * from kpi.submissions")] == ["accepted"]


@pytest.mark.parametrize(
    ("label", "wave"), [("2015", date(2015, 1, 1)), ("3.11", None), ("abcd", None), ("1x00", None)]
)
def test_drift_has_a_wave_only_when_the_version_is_a_year(published, label, wave):
    drift = {
        "table_name": "silver.t",
        "column_name": "c",
        "dataset": "d",
        "dataset_version": label,
        "reference_version": "2014",
        "measure": "population_stability_index",
        "value": 0.4,
        "threshold": 0.2,
        "drifted": True,
        "run_id": "r",
        "code_commit": "c",
        "recorded_at": MORNING,
    }
    (row,) = fetch(published({"gold.drift": [drift]}), "select * from kpi.drift")
    assert row["wave_date"] == wave
    assert row["column_place"] == "t.c"
    assert row["severity"] == pytest.approx(2.0)
    assert row["is_drifted"] == 1
