"""What the measuring tests share; pytest's importlib mode leaves this folder off the path."""

import importlib.util
import sys
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def corpus():
    """The module that makes the seeded corpus."""
    spec = importlib.util.spec_from_file_location("privacy_corpus", Path(__file__).with_name("corpus.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def score():
    """The module that counts what was found of what was labelled."""
    spec = importlib.util.spec_from_file_location("privacy_score", Path(__file__).with_name("score.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared():
    """The folder of open data sets beside the project."""
    if not SHARED.is_dir():
        pytest.skip("the folder of shared data sets is not on this machine")
    return SHARED


TOLD = pytest.StashKey[list[str]]()


def pytest_configure(config):
    config.stash[TOLD] = []


@pytest.fixture
def told(request):
    """Say a table or line at the end of the run, with `--measured`."""
    return request.config.stash[TOLD].append


def pytest_addoption(parser):
    parser.addoption("--measured", action="store_true", help="print the measured recall and precision at the end")


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("measured"):
        for one in sorted(config.stash[TOLD]):
            terminalreporter.write_line(one)
