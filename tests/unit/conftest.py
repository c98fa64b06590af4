"""A lake of rows written by hand, made once for every test that explains or reproduces."""

from pathlib import Path

import pytest

from tests.unit.explained_classifier import add_classifier
from tests.unit.explained_lake import Lake, open_lake


@pytest.fixture(scope="session")
def whole_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The lake as it was made; no test changes it."""
    lake = open_lake(tmp_path_factory.mktemp("explained"))
    add_classifier(lake)
    return lake


@pytest.fixture
def lake(whole_lake: Lake, tmp_path: Path) -> Lake:
    """The same tables, with models and dataset versions that a test may change."""
    return whole_lake.another(tmp_path)
