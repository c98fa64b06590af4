"""How long one writer waits for its commit, alone and among eight, beside bare PyIceberg on the same SQLite catalog.

The files lie in a folder or on MinIO.
"""

import json

import pytest

APPENDS, ROUNDS = 200, 3
MOST = 99
PLACES = ("local folder", "MinIO")
BARE, OURS = "PyIceberg append with its retries", "`write_audit_publish`"


class Crew:
    """Writers, each a process of its own, that append one row after the other to one table."""

    def __init__(self, start_job, who, lake, name, writers):
        each = APPENDS // writers
        self._running = [start_job("commits", who, lake, name, number * each, each) for number in range(writers)]
        for process in self._running:
            assert process.stdout.readline() == "ready\n", "a writer did not start"

    def go(self):
        """Let all start at once; return each commit's seconds, and how often one had to be asked for again."""
        for process in self._running:
            process.stdin.write("go\n")
            process.stdin.flush()
        done = [json.loads(process.communicate()[0].splitlines()[-1]) for process in self._running]
        assert not any(process.returncode for process in self._running), "a writer failed"
        return [clock for one in done for clock in one["clocks"]], sum(one["result"] for one in done)


def at(share, values):
    """Return the value below which `share` of a hundred lie, the next greater one where that is between two."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-share * len(ordered) // 100) - 1)]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lake", PLACES, indirect=True)
@pytest.mark.parametrize("writers", [1, 8])
def test_every_commit_is_kept(bench, lake, place, start_job, writers):
    halves = {BARE: [], OURS: []}
    lates = {BARE: [], OURS: []}
    refused = {BARE: 0, OURS: 0}
    for turn in range(ROUNDS):
        for name, who in ((BARE, "iceberg"), (OURS, "ours"))[:: 1 if turn % 2 else -1]:
            clocks, again = Crew(start_job, who, lake, f"{who}_{turn}", writers).go()
            walls, cpus = zip(*clocks, strict=True)
            halves[name].append(bench.spent(at(50, walls), sum(cpus) / len(cpus)))
            lates[name].append(bench.spent(at(MOST, walls), at(MOST, cpus)))
            refused[name] += again
            assert numbers(place, who, f"bench.{who}_{turn}") == list(range(APPENDS))
    measure = f"commit of 1 row, {writers} writer{'s' * (writers > 1)}, {APPENDS} appends to one table, {lake.place}"
    bench.add(f"{measure}: p50, mean CPU", halves)
    bench.add(f"{measure}: p{MOST}", lates)
    again = ", ".join(f"{times} times by {who}" for who, times in refused.items())
    bench.note(f"{measure}: refused and asked for again {again}")


def numbers(place, who, table):
    found = place.tables.read(table) if who == "ours" else place.bare.load_table(table).scan().to_arrow()
    return sorted(found["enrolment"].to_pylist())
