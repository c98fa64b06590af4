"""Seeded histories of store, catalog and clocks with faults anywhere keep every promise; more by `make simulate`."""

import pytest

from lakehouse.adapters import iceberg_branches, iceberg_past, iceberg_pins
from lakehouse.adapters.catalog import IcebergTables
from tests.simulation import histories, storage
from tests.simulation.clockwork import simulated
from tests.simulation.histories import play
from tests.simulation.world import Violation

SEEDS = range(16)
WITHIN = 40
"""Among so many histories one shows what a broken protection does."""
FOUND = {
    18: "a writer whose rows another run of the same key had just moved to main was told so before their release",
    56: "the first snapshot's commit was lost, and the table was taken for one without any",
    203: "maintenance with a clock ahead dropped what a writer had staged",
    607: "what a refused submission left in a table that no release ever named stayed for ever",
    709: "the same, after faults",
    798: "the same, after faults",
    4812: "maintenance let go of a snapshot whose release came after it had looked at the releases",
    2992: "a move of main named old snapshots that maintenance had just dropped, and ended in a traceback",
}
"""Seeds that broke a promise once."""


@pytest.fixture
def simulation():
    with simulated():
        yield


@pytest.mark.parametrize("seed", sorted({*SEEDS, *FOUND}))
def test_a_history_keeps_every_promise(simulation, seed):
    assert play(seed).ticks > 0


def test_a_seed_gives_the_same_history_again(simulation):
    assert play(3) == play(3)


def forgets_keys(patch):
    patch.setattr(IcebergTables, "committed", lambda tables, table, key: None)


def takes_any_ancestor(patch):
    patch.setattr(IcebergTables, "reachable", lambda tables, staged: True)
    patch.setattr(iceberg_branches, "is_ancestor", lambda stored, snapshot_id, *, of: True)
    patch.setattr(iceberg_past, "landed", lambda stored, snapshot_id: False)


def writes_over(patch):
    patch.setattr(storage.SimObjects, "put_new", storage.SimObjects.put)


def tears_files(patch):
    patch.setattr(histories, "play", lambda seed: play(seed, torn=True))
    # Whoever finishes for a killed writer looks whether a pin is whole, so files that appear torn must go unseen, too.
    patch.setattr(iceberg_pins, "_is_whole", lambda io, location: io.new_input(location).exists())


@pytest.mark.parametrize(
    ("break_it", "first"), [(forgets_keys, 0), (takes_any_ancestor, 1), (writes_over, 14), (tears_files, 5)]
)
def test_a_broken_protection_is_found(simulation, monkeypatch, break_it, first):
    break_it(monkeypatch)

    def play_all():
        for seed in range(first, first + WITHIN):
            histories.play(seed)

    with pytest.raises(Violation, match="seed"):
        play_all()
