"""Fixtures of the withdrawal tests: the planted archive, and what reads it."""

import importlib.util
import sys
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("planted", Path(__file__).with_name("planted.py"))
module = importlib.util.module_from_spec(spec)
sys.modules["planted"] = module
spec.loader.exec_module(module)


@pytest.fixture(scope="session")
def planted():
    return module


@pytest.fixture(scope="session")
def story(planted, tmp_path_factory):
    """A withdrawal from beginning to end, played once; tests look at what was seen on the way."""
    home = tmp_path_factory.mktemp("club") / "home"
    played = planted.Story.play(home, planted.folder_archive(home))
    yield played
    played.archive.house.tables.close()
