"""Whatever valid submission is made up, it is accepted; whatever fault is planted in it, it is found at its place."""

import importlib.util
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lakehouse.archive.landing import land
from lakehouse.archive.reading import raw_tables, typed
from lakehouse.archive.validate import validate

_spec = importlib.util.spec_from_file_location("made_up_submissions", Path(__file__).with_name("submissions.py"))
assert _spec is not None
assert _spec.loader is not None
made_up = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = made_up
_spec.loader.exec_module(made_up)

# A failing example is printed with the call that repeats it, and with the seed for --hypothesis-seed.
BOUNDED = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def judged(submission):
    with tempfile.TemporaryDirectory() as scratch:
        source = submission.write(Path(scratch) / "made_up")
        landed = land(source, Path(scratch) / "landed")
        report = validate(landed.folder, submission="made_up@1", content_sha256=landed.content_sha256)
        if report.accepted:
            for name, raw in raw_tables(landed.folder, report.description):
                assert typed(raw, report.description.tables[name]).num_rows == report.table_rows[name]
        return report


@settings(BOUNDED, max_examples=25)
@given(made_up.submissions())
def test_a_valid_submission_is_accepted_and_counted_right(submission):
    report = judged(submission)
    assert report.accepted, report.as_short_text()
    assert report.table_rows == {name: len(table.rows) for name, table in submission.tables.items()}
    assert report.document_count == len(submission.documents)


@pytest.mark.parametrize("plant", made_up.FAULTS, ids=lambda plant: plant.__name__)
@settings(BOUNDED, max_examples=3)
@given(data=st.data())
def test_a_planted_fault_is_found_at_its_place(plant, data):
    submission = data.draw(made_up.submissions())
    planted = plant(data.draw, submission)
    assume(planted is not None)
    report = judged(submission)
    assert not report.accepted
    found = {(f.code, f.place): f.first_row for f in report.findings}
    assert (planted.code, planted.place) in found, report.as_short_text()
    assert found[planted.code, planted.place] == planted.first_row
