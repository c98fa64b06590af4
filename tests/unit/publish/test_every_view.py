"""The views that no other file checks, by value; and that every view is checked somewhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.publish.views import load_views

MORNING = datetime(2026, 1, 2, 8, tzinfo=UTC)
LATER = MORNING + timedelta(hours=1)
COMMIT, RUN, CODE = "c0ffee" * 6 + "c0ff", "12345678-run", "deadbeef-code"
LOAD = {
    "table_name": "silver.marks_pupils", "layer": "silver", "dataset": "marks", "dataset_version": "1",
    "dataset_commit": COMMIT, "row_count": 7, "run_id": RUN, "code_commit": CODE, "recorded_at": MORNING,
}  # fmt: skip
MODEL = {"model_version": "lm-1", "recorded_at": MORNING, "cause": "first", "run_id": RUN, "code_commit": CODE}
TESTED = {
    "model_version": "lm-1", "evaluation_snapshot": "held-out", "test": "writes_text", "measure": "printable_share",
    "value": 0.5, "comparison": "at_least", "threshold": 0.75, "passed": False, "stops": "promotion",
    "owner": "team:models", "detail": "page 3", "recorded_at": MORNING,
}  # fmt: skip
MEASURED = {
    "model_version": "lm-1", "measure": "bits_per_byte", "slice": "docs", "measured_on": "held-out", "value": 2.5,
    "low": 2.25, "high": 2.75, "count": 9, "recorded_at": MORNING,
}  # fmt: skip
FORM = {
    "form": "lm-1-int8", "model_version": "lm-1", "evaluation_snapshot": "held-out", "asked": "worse_at_most 0.5",
    "accepted": False, "reason": "refused", "size_bytes": 1, "whole_size_bytes": 4, "tokens_per_cpu_second": 30.0,
    "whole_tokens_per_cpu_second": 20.0, "difference": 0.75, "low": 0.5, "high": 1.0, "recorded_at": MORNING,
}  # fmt: skip
CLASSIFIER = {
    "model_version": "topics-0001", "evaluation_snapshot": "held-out", "judgement": "none:t1",
    "event_key": "0000000001:0:judged:topics-0001", "classifier": "topics", "base": "lm-1", "promoted": True,
    "licence": "CC0-1.0", "recorded_at": MORNING,
}  # fmt: skip
TAUGHT = {
    "model_version": "instructed-0001", "evaluation_snapshot": "held-out", "judgement": "none:t1", "event_key": "1",
    "recorded_at": MORNING,
}  # fmt: skip
SHOWN = {name: CLASSIFIER[name] for name in ("model_version", "evaluation_snapshot", "judgement")} | {"kind": "figure"}
FIGURES = [
    SHOWN | {"name": "accuracy", "slice": "all", "value": 0.75, "low": 0.5, "high": 0.875, "text_count": 8},
    SHOWN | {"name": "macro_f1", "slice": "all", "value": 0.625},
    SHOWN | {"name": "gain_over_commonest_label", "slice": "all", "value": 0.25, "low": 0.125},
    SHOWN | {"name": "accuracy", "slice": "label: law", "value": 1.0},
    SHOWN | {"name": "accuracy_of_counted_words", "slice": "all", "value": 0.625},
    SHOWN | {"name": "gain_over_counted_words", "slice": "all", "value": 0.125, "low": -0.125, "high": 0.25},
    SHOWN
    | {"kind": "test", "name": "typos", "slice": "invariance", "value": 0.5, "passed": False, "stops": "promotion"},
    SHOWN | {"kind": "test", "name": "case", "slice": "invariance", "value": 0.5, "passed": False, "stops": "nothing"},
    SHOWN
    | {"kind": "test", "name": "spaces", "slice": "invariance", "value": 1.0, "passed": True, "stops": "promotion"},
]
SUBMISSION = {
    "submission": "marks@1", "content_sha256": "aa", "rules_version": "r1", "dataset": "marks", "dataset_version": "1",
    "verdict": "refused", "personal_count": 3, "validated_at": MORNING,
}  # fmt: skip
FAIR = {
    "submission": "marks@1", "content_sha256": "aa", "rules_version": "r1", "principle": "I", "indicator": "RDA-I1-01M",
    "points": 1.0, "max_points": 2.0,
}  # fmt: skip
TERMS = {"dataset": "marks", "part": "pupils", "part_kind": "table", "access": "open", "hidden_columns": "name mark"}
PROMISE = {
    "table_name": "silver.marks_pupils", "dataset": "marks", "dataset_version": "1", "code": "KEY_UNIQUE",
    "severity": "error", "kept": False, "blocked": True, "recorded_at": MORNING,
}  # fmt: skip
EXAMPLES = [
    ("loads", {"gold.loads": [LOAD]}, {"table_name": "silver.marks_pupils", "row_count": 7, "dataset_commit": COMMIT}),
    (
        "provenance",
        {"gold.loads": [LOAD]},
        {"dataset_commit_short": COMMIT[:8], "run_short": "12345678", "code_commit_short": "deadbeef", "row_count": 7},
    ),
    (
        "training_curve",
        {
            "gold.model_versions": [MODEL],
            "gold.training_curve": [
                {"model_version": "lm-1", "step": 5, "train_bits_per_byte": 2.5, "utilisation": 0.25}
            ],
        },
        {
            "version_number": 1,
            "is_newest": 1,
            "is_current": 0,
            "step": 5,
            "train_bits_per_byte": 2.5,
            "utilisation": 0.25,
        },
    ),
    (
        "training_curve",
        {
            "gold.model_versions": [{**MODEL, "training_key": "a" * 64}],
            "gold.training_curve": [],
            "gold.training_progress": [
                {"training_key": key * 64, "step": 1, "steps": 9, "train_bits_per_byte": 4.0} for key in ("a", "b")
            ],
        },
        {"model_version": "unfinished bbbbbbbb", "status": "unfinished", "step": 1, "steps": 9, "is_current": 0},
    ),
    (
        "model_licences",
        {
            "gold.model_versions": [MODEL],
            "gold.token_shares": [{"model_version": "lm-1", "dataset": "marks", "token_count": 5, "token_share": 1.0}],
        },
        {"version_number": 1, "licence": "none given", "token_count": 5, "token_share": 1.0},
    ),
    (
        "model_tests",
        {"gold.model_versions": [MODEL], "gold.model_tests": [TESTED]},
        {
            "version_number": 1,
            "is_newest": 1,
            "is_current": 0,
            "value_measured": 0.5,
            "comparison": "at_least",
            "threshold": 0.75,
            "is_passed": 0,
            "is_blocking": 1,
            "tested_at": MORNING,
        },
    ),
    (
        "model_tests",
        {
            "gold.model_versions": [MODEL],
            "gold.model_tests": [TESTED | {"value": 1.0, "passed": True, "stops": "nothing"}],
        },
        {"value_measured": 1.0, "is_passed": 1, "is_blocking": 0},
    ),
    (
        "model_measures",
        {"gold.model_versions": [MODEL], "gold.model_measures": [MEASURED]},
        {
            "version_number": 1,
            "is_newest": 1,
            "is_current": 0,
            "measure": "bits_per_byte",
            "slice": "docs",
            "measured_on": "held-out",
            "value_measured": 2.5,
            "low": 2.25,
            "high": 2.75,
            "things": 9,
            "measured_at": MORNING,
        },
    ),
    (
        "model_forms",
        {"gold.model_versions": [MODEL], "gold.model_forms": [FORM]},
        {"form": "lm-1-int8", "is_accepted": 0, "size_share": 0.25, "speed_ratio": 1.5, "high": 1.0, "is_newest": 1},
    ),
    (
        "instructed_versions",
        {
            "gold.instructed_versions": [{**TAUGHT, "base": "hub:a/b@c", "base_licence": "mit", "promoted": True}],
            "gold.instructed_results": [
                TAUGHT | {"kind": "figure", "name": "response_loss", "slice": "all", "value": 1.5, "low": 1.25},
                TAUGHT | {"kind": "figure", "name": "response_loss", "slice": "long responses", "value": 9.0},
                TAUGHT | {"kind": "figure", "name": "base_response_loss", "slice": "all", "value": 2.5},
                TAUGHT | {"kind": "figure", "name": "gain_over_base", "slice": "all", "value": 1.0, "low": 0.5},
                TAUGHT | {"kind": "test", "name": "answers_end", "slice": "ending", "passed": False},
            ],
        },
        {
            "version_number": 1,
            "is_in_use": 1,
            "standing": "in use",
            "response_loss": 1.5,
            "response_loss_low": 1.25,
            "base_response_loss": 2.5,
            "gain_over_base": 1.0,
            "gain_over_base_low": 0.5,
            "test_count": 1,
            "failed_count": 1,
            "blocking_count": 0,
            "base": "hub:a/b@c",
            "base_licence": "mit",
        },
    ),
    (
        "classifier_versions",
        {"gold.classifier_versions": [CLASSIFIER], "gold.classifier_results": FIGURES},
        {
            "classifier": "topics",
            "version_number": 1,
            "is_in_use": 1,
            "standing": "in use",
            "accuracy": 0.75,
            "accuracy_low": 0.5,
            "accuracy_high": 0.875,
            "macro_f1": 0.625,
            "gain": 0.25,
            "gain_low": 0.125,
            "words_accuracy": 0.625,
            "gain_over_words": 0.125,
            "gain_over_words_low": -0.125,
            "gain_over_words_high": 0.25,
            "text_count": 8,
            "test_count": 3,
            "failed_count": 2,
            "blocking_count": 1,
            "base": "lm-1",
            "licence": "CC0-1.0",
            "judged_at": MORNING,
        },
    ),
    (
        "retrain_decisions",
        {"gold.retrain_decisions": [{"cause_key": "k", "cause": "drift", "decision": "wait", "recorded_at": MORNING}]},
        {"cause_key": "k", "cause": "drift", "decision": "wait"},
    ),
    (
        "fair_indicators",
        {"archive.submissions": [SUBMISSION], "archive.fair_indicators": [FAIR]},
        {"dataset": "marks", "verdict": "refused", "principle_name": "Interoperable", "points": 1.0, "max_points": 2.0},
    ),
    (
        "data_terms",
        {
            "archive.terms": [
                {**TERMS, "dataset_version": "1", "saved_at": MORNING, "purposes": "research"},
                {**TERMS, "dataset_version": "2", "saved_at": LATER, "licence": "CC0-1.0", "purposes": ""},
            ],
            "archive.tombstones": [{"dataset": "marks", "dataset_version": "1", "removed_at": LATER}],
        },
        {
            "dataset_version": "2",
            "licence": "CC0-1.0",
            "purposes": "as the licence allows",
            "hidden_column_count": 2,
            "removed_at": None,
        },
    ),
    (
        "data_terms",
        {
            "archive.terms": [{**TERMS, "dataset_version": "2", "saved_at": MORNING}],
            "archive.tombstones": [
                {"dataset": "marks", "dataset_version": "2", "removed_at": LATER},
                {"dataset": "pupils", "dataset_version": "2", "removed_at": MORNING},
            ],
        },
        {"dataset": "marks", "dataset_version": "2", "removed_at": LATER},
    ),
    (
        "newest_versions",
        {
            "gold.loads": [
                LOAD,
                {**LOAD, "dataset_version": "0", "row_count": 9, "recorded_at": LATER},
                {**LOAD, "dataset_version": "2", "table_name": "bronze.marks_pupils", "layer": "bronze"},
            ],
            "archive.terms": [
                {**TERMS, "dataset_version": "0", "saved_at": MORNING - timedelta(days=1)},
                {**TERMS, "dataset_version": "1", "saved_at": MORNING, "accumulates": "snapshots"},
                {**TERMS, "dataset_version": "1", "saved_at": MORNING, "accumulates": "snapshots", "part": "rooms"},
                {**TERMS, "dataset_version": "2", "saved_at": LATER},
            ],
        },
        {"table_name": "silver.marks_pupils", "dataset_version": "1", "accumulates": "snapshots", "row_count": 7},
    ),
    (
        "promises",
        {"gold.expectation_results": [PROMISE, {**PROMISE, "kept": True, "blocked": False, "recorded_at": LATER}]},
        {"code": "KEY_UNIQUE", "severity_order": 1, "is_broken": 0, "is_blocked": 0, "is_newest": 1},
    ),
    (
        "rights_log",
        {"archive.submissions": [SUBMISSION]},
        {"event": "refused", "dataset": "marks", "who": None, "what": "personal data were found", "amount": 3},
    ),
]


@pytest.mark.parametrize(("view", "rows", "expected"), EXAMPLES, ids=[one[0] for one in EXAMPLES])
def test_a_view_shows_what_was_worked_out_by_hand(published, view, rows, expected):
    (shown,) = published(rows).execute(f"select * from kpi.{view}").to_arrow_table().to_pylist()
    assert {name: shown[name] for name in expected} == expected


def test_every_view_is_checked_by_value_in_this_folder():
    texts = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    named = {f"kpi.{view}" for view, *_ in EXAMPLES}
    assert not [
        name for name in load_views() if name not in named and f"{name} " not in texts and f'{name}"' not in texts
    ]
