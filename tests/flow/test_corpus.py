"""The corpus holds what is published: nothing half stored, refused or unfinished adds to it or takes from it."""

import shutil

from assets.learning import document_parts
from assets.version import saved_version
from dagster_project.wiring import lakehouse, permission, versions
from lakehouse.tables.documents import assemble


def corpus(bench):
    parts, left_out = document_parts(
        lakehouse(bench.settings), bench.shelf, versions(bench.settings), permission(bench.settings)
    )
    assert left_out == []
    return assemble(parts).num_rows


def saved_only(bench, key):
    """Leave a submission where a crash between `version` and `store` leaves it."""
    saved = versions(bench.settings)
    bench.shelf.take(key, saved)
    saved_version(bench.shelf, saved, key)


def test_a_saved_version_that_is_not_stored_yet_changes_nothing(bench):
    bench.loop.ingest(bench.periodic_texts(seed=1, accumulates="snapshots"))
    before = corpus(bench)
    saved_only(bench, bench.periodic_texts(seed=2, accumulates="snapshots"))
    assert corpus(bench) == before > 0


def test_an_accepted_dataset_without_tables_yet_stops_nobody(taught):
    before = corpus(taught)
    saved_only(taught, taught.periodic_texts(seed=3, name="murmurs"))
    assert corpus(taught) == before > 0


def test_the_newest_snapshot_replaces_the_one_before(bench):
    for seed in (9, 10):
        assert bench.loop.ingest(bench.periodic_texts(seed=seed, accumulates="snapshots")).success
    parts, left_out = document_parts(
        lakehouse(bench.settings), bench.shelf, versions(bench.settings), permission(bench.settings)
    )
    assert left_out == []
    assert set(assemble(parts)["dataset_version"].to_pylist()) == {"10"}


def test_a_refused_hand_in_under_a_used_key_takes_nothing_away(taught):
    before = corpus(taught)
    broken = taught.settings.home / "broken"
    shutil.copytree(taught.settings.home / "inbox" / "echoes@1", broken)
    (broken / "texts" / "echoes" / "documents.jsonl").write_text("")
    taught.loop.ingest(taught.arrive(broken))
    assert corpus(taught) == before > 0
