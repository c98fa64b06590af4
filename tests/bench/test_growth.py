"""What ten times as many rows cost: storing, reading, finding them, and memory; each job in a process of its own."""

import pytest

LARGE = 100_000_000
ROUNDS = {1_000_000: 3, 10_000_000: 3, LARGE: 1}
"""Rows, and how many times each is taken."""
FLAT = 1.5
"""How much more memory ten times the rows may take: beside the rows in hand a process holds its libraries."""
NAMES = {
    "append": ("pyarrow writes plain Parquet, a million rows a file", "`write_audit_publish`, a million rows a commit"),
    "scan": ("DuckDB on plain Parquet, as batches", "batches of the table, each file judged by its seal"),
    "point": ("DuckDB on plain Parquet", "`TableStore.head`, each file judged by its seal"),
}
MEASURES = {
    "append": "append of {:,} rows, local folder",
    "scan": "scan of {:,} rows x 8 columns, local folder",
    "point": "one row of {:,} by its number, local folder, seven in a new process",
}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("rows", [*ROUNDS])
def test_memory_stays_flat_while_rows_grow(bench, lake, place, run_job, request, rows):
    if rows == LARGE and not request.config.getoption("large"):
        pytest.skip("100 million rows take some minutes, and ten gigabytes; --large takes them")
    for job, names in NAMES.items():
        spent, results = {name: [] for name in names}, []
        for turn in range(ROUNDS[rows]):
            for name, who in list(zip(names, ("plain", "ours"), strict=True))[:: 1 if turn % 2 else -1]:
                # What is read is what the last turn stored.
                done = run_job(job, who, lake, f"grow_{turn if job == 'append' else ROUNDS[rows] - 1}", rows)
                spent[name] += done["clocks"]
                results.append(done["result"])
                bench.peaks.setdefault((job, name), {}).setdefault(rows, []).append(done["peak_mb"])
        bench.add(MEASURES[job].format(rows), spent)
        assert all(one == results[0] for one in results), f"{job} of {rows} rows gives different things"
        assert results[0] == rows if job == "append" else results[0]
    peaks = {key: {count: max(mb) for count, mb in found.items()} for key, found in bench.peaks.items()}
    for (job, name), found in peaks.items():
        bench.note(f"peak memory of {job} of {rows:,} rows: {found[rows]:.0f} MB by {name}")
    for job, (_, ours) in NAMES.items():
        found = peaks[job, ours]
        assert found[rows] < FLAT * found.get(rows // 10, found[rows]), f"memory of {job} grows with the rows: {found}"
