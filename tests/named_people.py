"""A choir whose dataset names nobody at first, and in its next version its singers by name, card and locker."""

import json
import uuid
from pathlib import Path

NAMES = ("Ada Lovelace", "Zoë O'Neill", 'Jo "Jay" Ek', "17", " Ben Okri ", "", "ada lovelace", "李小龙")
CARDS = (0, 1, -1, 17, 2**63 - 1, -(2**63), 10**12, 4_000_000_007)
"""What is odd about names and numbers of people: texts of digits, spaces around, signs, the ends of 64 bits."""
VERSION = """\
eds_version: "1.0"
name: choir
version: "{label}"
title: A choir
description: Singers and what they sang.
accumulates: waves
licence: CC-BY-4.0
consent: {{basis: public_task}}
"""
SUBJECTS = "subjects: {singer: {description: Who sings., identifiers: [singers.card, songs.who%s]}}\n"
TABLE = "description: Rows.\ngrain: one row each\nprimary_key: [number]\ncolumns:\n"
NUMBER = "  number: {{type: integer, description: Number of the {}, required: true}}\n"
SINGERS = NUMBER.format("singer") + "  voice: {type: string, description: Voice}\n"
SONGS = NUMBER.format("song") + "  length: {type: integer, description: Length, unit: s}\n"
NAMED_SINGERS = (
    "  name: {type: string, description: Name, role: direct_identifier}\n"
    "  card: {type: integer, description: Number of the card, required: true, role: direct_identifier}\n"
    '  locker: {type: number, description: Locker, unit: "1", role: direct_identifier}\n'
)
NAMED_SONGS = "  who: {type: integer, description: Who sang, references: singers.card}\n"
LOG = 'title: Visits\ndescription: Who came.\nxapi_version: "2.0.0"\n'


def unnamed(folder: Path, label: str) -> Path:
    """Write a version that names nobody; return its folder."""
    singers = [f"{number},alto" for number in range(len(CARDS))]
    songs = [f"{number},{60 + number}" for number in range(2 * len(CARDS))]
    _table(folder, "singers", SINGERS, ["number,voice", *singers])
    _table(folder, "songs", SONGS, ["number,length", *songs])
    (folder / "dataset.yaml").write_text(VERSION.format(label=label), encoding="utf-8")
    return folder


def named(folder: Path, label: str) -> Path:
    """Write a version whose tables name the singers; return its folder."""
    _named_tables(folder)
    (folder / "dataset.yaml").write_text(VERSION.format(label=label) + SUBJECTS % "", encoding="utf-8")
    return folder


def named_and_logged(folder: Path, label: str) -> Path:
    """Write a version whose tables and event log name the singers; return its folder."""
    _named_tables(folder)
    log = folder / "events" / "visits"
    log.mkdir(parents=True)
    (log / "log.yaml").write_text(LOG, encoding="utf-8")
    lines = (json.dumps(_statement(number, card)) for number, card in enumerate(CARDS))
    (log / "visits.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    about = VERSION.format(label=label) + SUBJECTS % ", events/visits.actor"
    (folder / "dataset.yaml").write_text(about, encoding="utf-8")
    return folder


def _named_tables(folder: Path) -> None:
    quoted = ['"{}"'.format(name.replace('"', '""')) for name in NAMES]
    singers = [f"{number},alto,{quoted[number]},{card},{number}.5" for number, card in enumerate(CARDS)]
    songs = [f"{number},{60 + number},{CARDS[number % len(CARDS)]}" for number in range(2 * len(CARDS))]
    _table(folder, "singers", SINGERS + NAMED_SINGERS, ["number,voice,name,card,locker", *singers])
    _table(folder, "songs", SONGS + NAMED_SONGS, ["number,length,who", *songs])


def _table(folder: Path, name: str, columns: str, lines: list[str]) -> None:
    table = folder / "tables" / name
    table.mkdir(parents=True)
    (table / "columns.yaml").write_text(TABLE + columns, encoding="utf-8")
    (table / f"{name}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _statement(number: int, card: int) -> dict[str, object]:
    return {
        "id": str(uuid.UUID(int=number + 1)),
        "actor": {"account": {"homePage": "https://choir.example.org", "name": str(card)}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/attended"},
        "object": {"id": "https://choir.example.org/evenings/1"},
        "timestamp": "2024-01-31T08:00:00Z",
    }
