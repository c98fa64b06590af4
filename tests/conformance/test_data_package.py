"""The Data Package examples: 34 descriptors, of which the folders' names tell whether they are sound."""

from pathlib import Path

import pytest

from tests.conformance import data_package_suite
from tests.conformance.agreement import unpacked

BREAKS_ITS_STANDARD = "the example breaks its own standard, which the field's library says too"
# Where we differ from the names of the folders, and why.
NAMED_OTHERWISE = {
    "datasets/packages/different-separators": "two of its resources have one name, which its own standard forbids",
    "datasets/packages/remote-csv": "nothing is fetched, so data elsewhere are refused",
    "example-data-packages/cpi": "its data file is not in the suite",
    "example-data-packages/gross-domestic-product-2014": BREAKS_ITS_STANDARD,
    "example-data-packages/iso-639-1-language-codes": BREAKS_ITS_STANDARD,
    "example-data-packages/periodic-table": BREAKS_ITS_STANDARD,
}
# Where we differ from the library, and why.
JUDGED_OTHERWISE = {
    "datasets/packages/inlined-data": "the library reads JSON only with an extra that is not installed",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("frictionless_examples/frictionless.tar.xz", tmp_path_factory.mktemp("frictionless"))


def test_verdicts_are_those_that_the_folders_are_named_after(folder: Path, tmp_path: Path):
    agreement = data_package_suite.judge_names(folder, tmp_path)
    agreement.tell()
    assert agreement.total + len(agreement.left_out) == 34
    assert set(agreement.differing) <= set(NAMED_OTHERWISE), agreement.differing


def test_verdicts_are_those_of_the_library(folder: Path, tmp_path: Path):
    agreement = data_package_suite.judge_library(folder, tmp_path)
    agreement.tell()
    assert agreement.total == 34
    assert set(agreement.differing) <= set(JUDGED_OTHERWISE), agreement.differing
