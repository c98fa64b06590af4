"""Croissant's own suite: 66 valid and 27 faulty descriptions of versions 0.8 and 1.0, and dumps of records."""

from pathlib import Path

import pytest

from tests.conformance import croissant_suite
from tests.conformance.agreement import unpacked

# Of libraries that the reference library stands on. Connections other than to this machine fail in every test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("croissant_conformance/croissant_0.8_1.0.tar.xz", tmp_path_factory.mktemp("croissant"))


def test_every_valid_description_is_accepted(folder: Path):
    agreement = croissant_suite.judge_valid(folder)
    agreement.tell()
    assert (agreement.total, agreement.differing) == (66, {})


def test_every_faulty_description_is_refused_in_the_same_words(folder: Path):
    agreement = croissant_suite.judge_faulty(folder)
    agreement.tell()
    assert (agreement.total, agreement.differing) == (27, {})


def test_the_records_of_local_data_are_those_of_the_suite(folder: Path):
    agreement = croissant_suite.judge_records(folder)
    agreement.tell()
    assert (agreement.total, agreement.differing) == (32, {})
    reasons = {reason.partition(" http")[0] for reason in agreement.left_out.values()}
    assert reasons == {"the data lie at", "reading it needs librosa, which is not installed"}
