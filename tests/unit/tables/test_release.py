import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from lakehouse.adapters.object_store import LocalObjects
from lakehouse.errors import NoReleaseError
from lakehouse.ports import Provenance, TablePointer
from lakehouse.tables.release import Pins, Release, ReleaseLog, View
from lakehouse.tables.sealed_json import seal

PROVENANCE = Provenance("run-1", "c0ffee")


class Line:
    """A table whose main history is the given snapshot ids, oldest first; only what Pins asks for."""

    def __init__(self, *history):
        self.history = history

    def pointer(self, name):
        return TablePointer(name, f"metadata-{self.history[-1]}", self.history[-1])

    def summaries(self, name):
        return [{"snapshot-id": str(snapshot_id)} for snapshot_id in self.history]


@pytest.fixture
def log(tmp_path):
    return ReleaseLog(LocalObjects(tmp_path))


def test_before_the_first_release_there_is_none(log):
    with pytest.raises(NoReleaseError, match="nothing is published yet"):
        log.current()


def test_a_release_comes_back_as_it_was_published(log):
    release = log.publish(PROVENANCE, pins=Pins(Line(1), {"gold.t": 1}), views={"kpi.v": View("kpi.v", "select 1")})
    assert log.current() == release
    assert release.tables == {"gold.t": TablePointer("gold.t", "metadata-1", 1)}
    assert Release.from_json(release.to_json()) == release


def test_a_release_says_all_that_it_holds():
    release = Release(
        number=3,
        created_at="2026-11-28",
        tables={
            name: TablePointer(name, f"place of {name}", number) for number, name in enumerate(("gold.b", "gold.a"))
        },
        views={"kpi.v": View("kpi.v", "select 'é'")},
        model_version="m1",
        provenance=PROVENANCE.summary(),
        intent=7,
        withdrawn={"silver.c": "receipt"},
    )
    for one in (release, Release(number=1, created_at="")):
        assert one.to_json() == seal(asdict(one))
        assert Release.from_json(one.to_json()) == one


def test_what_is_not_named_stays(log):
    log.publish(PROVENANCE, pins=Pins(Line(1), {"gold.a": 1}), model_version="m1")
    release = log.publish(PROVENANCE, pins=Pins(Line(5), {"gold.b": 5}))
    assert set(release.tables) == {"gold.a", "gold.b"}
    assert release.model_version == "m1"
    assert release.number == 2


def test_publishing_no_change_makes_no_release(log):
    first = log.publish(PROVENANCE, pins=Pins(Line(1), {"gold.a": 1}))
    assert log.publish(Provenance("run-2", "c0ffee"), pins=Pins(Line(1), {"gold.a": 1})) == first


def test_a_pin_never_moves_backwards(log):
    log.publish(PROVENANCE, pins=Pins(Line(1, 2), {"gold.a": 2}))
    late = log.publish(PROVENANCE, pins=Pins(Line(1, 2), {"gold.a": 1}))
    assert late.number == 1
    assert late.tables["gold.a"].snapshot_id == 2


def test_a_late_writer_does_not_show_what_a_newer_one_has_not_published(log):
    log.publish(PROVENANCE, pins=Pins(Line(1), {"gold.a": 1}))
    # Snapshot 2 is on main already, but its writer has not released it together with its other tables.
    assert log.publish(PROVENANCE, pins=Pins(Line(1, 2), {"gold.a": 1})).number == 1


def test_publishers_at_once_lose_nothing(log):
    def publish(number):
        log.publish(PROVENANCE, pins=Pins(Line(number), {f"gold.t{number}": number}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, range(1, 9)))
    release = log.current()
    assert release.number == 8
    assert set(release.tables) == {f"gold.t{number}" for number in range(1, 9)}


def test_an_intent_carried_out_late_takes_no_view_and_no_model_back(log):
    first = {"views": {"kpi.a": View("kpi.a", "select 1")}, "model_version": "m1", "intent": 1}
    log.publish(PROVENANCE, **first)
    newest = log.publish(PROVENANCE, views={"kpi.b": View("kpi.b", "select 2")}, model_version="m2", intent=2)
    assert log.publish(PROVENANCE, **first) == newest


def test_a_release_of_before_intents_were_numbered_still_loads():
    old = json.loads(Release(number=1, created_at="2026-01-01").to_json())
    del old["intent"]
    assert Release.from_json(seal(old)).intent == 0


def test_views_are_those_of_the_tables_that_are_published_not_of_those_the_writer_knew(tmp_path):
    log = ReleaseLog(LocalObjects(tmp_path), lambda tables: {f"kpi.{t}": View(f"kpi.{t}", "select 1") for t in tables})
    tables = Line(1)
    for name in ("gold.a", "gold.b"):
        only_mine = {f"kpi.{name}": View(f"kpi.{name}", "select 1")}
        log.publish(PROVENANCE, pins=Pins(tables, {name: 1}), views=only_mine)
    assert set(log.current().views) == {"kpi.gold.a", "kpi.gold.b"}


def test_an_intent_carried_out_again_takes_no_later_model_back(log):
    first = {"pins": Pins(Line(1), {"gold.t": 1}), "model_version": "m1", "intent": 1}
    log.publish(PROVENANCE, **first)
    newest = log.publish(PROVENANCE, model_version="m2")
    assert log.publish(PROVENANCE, **first) == newest
