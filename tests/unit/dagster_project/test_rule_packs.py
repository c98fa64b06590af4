"""Rule packs of others from the command line and from the settings."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from dagster_project.commands.validate import validate
from dagster_project.judging import rule_packs
from dagster_project.settings import load_settings
from dagster_project.wiring import shelf
from lakehouse.errors import RulePackError

DATASET = """\
eds_version: "1.0"
name: songs
version: "1"
title: Songs
description: Songs.
accumulates: snapshots
licence: CC-BY-4.0
disciplines: {music: {}}
"""
PACK = """\
name: music
title: Music
discipline: Music
version: "1"
fields: {key: {type: text, description: The key it stands in., required: true}}
"""


@pytest.fixture
def song(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    text = folder / "texts" / "words"
    text.mkdir(parents=True)
    (folder / "dataset.yaml").write_text(DATASET, encoding="utf-8")
    (text / "collection.yaml").write_text("title: Words\ndescription: Words of songs.\n", encoding="utf-8")
    (text / "a.txt").write_text("La la la.\n", encoding="utf-8")
    return folder


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "packs" / "music"
    folder.mkdir(parents=True)
    (folder / "pack.yaml").write_text(PACK, encoding="utf-8")
    return folder.parent


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))


def _run(*arguments: str):
    return CliRunner().invoke(validate, arguments)


def test_validate_takes_packs_from_the_command_line(song, music):
    without = _run(str(song))
    assert (without.exit_code, "DISCIPLINE_UNKNOWN" in without.output) == (0, True)
    given = _run(str(song), "--rules", str(music))
    assert given.exit_code == 1
    assert "The key it stands in." in given.output


def test_validate_and_the_shelf_take_packs_from_the_settings(song, music, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_RULE_PACKS", str(music))
    assert _run(str(song)).exit_code == 1
    assert "music" in shelf(load_settings()).packs.by_name


def test_a_faulty_pack_is_told_and_nothing_is_judged(song, music):
    (music / "music" / "pack.yaml").write_text(PACK + "colour: red\n", encoding="utf-8")
    given = _run(str(song), "--rules", str(music))
    assert given.exit_code == 2
    assert "pack.yaml: colour:" in given.output
    with pytest.raises(RulePackError):
        rule_packs(load_settings(), [music])
