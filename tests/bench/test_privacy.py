"""The search for identifiers beside Python's `re` with the same patterns, and beside Presidio where it is installed."""

import gzip
import json
import random
import re
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.archive.privacy import ColumnScan, TextScan, engine
from lakehouse.archive.privacy.asked import anywhere, behind_sieve, behind_wide_sieve
from lakehouse.archive.privacy.kinds import identifiers

ROWS, SLOW_ROWS, HIT_EVERY = 1_200_000, 12_000, 333
WORDS = (
    "the",
    "pupil",
    "read",
    "a",
    "chapter",
    "on",
    "plants",
    "before",
    "lunch",
    "then",
    "wrote",
    "what",
    "water",
    "does",
)
LEAST_TIMES_RE = 90
CHUNK = 1 << 18
BOOK_TIMES = 5


def rows(count):
    """Return notes like those of a course, one in 333 with an address of mail."""
    draw = random.Random(7)
    notes = [" ".join(draw.choices(WORDS, k=16)) for _ in range(2_000)]
    return [
        f"{draw.choice(notes)} {n}" + (f" ask pupil{n}@west-school.org" if n % HIT_EVERY == 0 else "")
        for n in range(count)
    ]


def column_scan(cells):
    scan = ColumnScan("note", "")
    for first in range(0, len(cells), CHUNK):
        scan.add(cells[first : first + (CHUNK)], first)
    return {s.kind: s.count for s in scan.suspicions()}


def text_scan(cells):
    scan = TextScan()
    for first in range(0, len(cells), CHUNK):
        scan.add(cells[first : first + (CHUNK)], first)
    return {s.kind: s.document_count for s in scan.suspicions()}


def bare_scan(cells):
    """Return a scan of the same bytes for the same patterns in one database, with nothing before or after it."""
    database = engine._database(anywhere("columns") + behind_sieve("columns") + behind_wide_sieve("columns"))
    buffers = [engine.lines(cells[first : first + CHUNK])[0] for first in range(0, len(cells), CHUNK)]

    def run():
        hits = []
        for buffer in buffers:
            database.scan(buffer, match_event_handler=lambda *match: hits.append(match[0]))
        return {"hits": len(hits)}

    return run


def with_re(values):
    patterns = {
        kind: [re.compile(p, re.ASCII) for p in (one.pattern, one.cue_pattern) if p is not None]
        for kind, one in identifiers().items()
        if one.where == "everywhere" and one.loose
    }
    found = {}
    for kind, mine in patterns.items():
        count = sum(1 for value in values if any(pattern.search(value) for pattern in mine))
        if count:
            found[kind] = count
    return found


@pytest.mark.timeout(600)
def test_bytes_of_notes_per_cpu_second(bench, pytestconfig):
    values = rows(ROWS)
    cells = pa.array(values)
    bare = bare_scan(cells)
    size, slow_size = (sum(map(len, part)) + len(part) for part in (values, values[:SLOW_ROWS]))
    contenders = {
        "`re`, the same patterns, a hundredth of the rows": lambda _turn: lambda: with_re(values[:SLOW_ROWS]),
        "bare Hyperscan, the same patterns": lambda _turn: bare,
        "`ColumnScan`: patterns, check digits, disguises, names": lambda _turn: lambda: column_scan(cells),
        "`TextScan`: the same in running text": lambda _turn: lambda: text_scan(cells),
    }
    python = pytestconfig.getoption("presidio_python")
    if python is not None:
        contenders["Presidio, patterns only, a hundredth of the rows"] = lambda _turn: presidio(bench, python, values)
    else:
        bench.note("Presidio left out: `--presidio-python` names no interpreter that has it")
    measure = f"identifiers in {size / 1e6:.0f} MB of notes, one in {HIT_EVERY} with a mail address"
    results = bench.race(measure, contenders, rounds=3)
    by_re, _, by_column, by_text, *_ = results.values()
    assert by_column["email"] == by_text["email"] == -(-ROWS // HIT_EVERY)
    assert by_re["email"] == -(-SLOW_ROWS // HIT_EVERY)
    cpu = {name: bench.cpus[measure, name] for name in contenders}
    re_mb, bare_mb, column_mb, text_mb, *others = (
        (slow_size if "hundredth" in name else size) / 1e6 / seconds for name, seconds in cpu.items()
    )
    bench.note(
        f"MB per CPU second: `re` {re_mb:.1f}, bare Hyperscan {bare_mb:.0f}, "
        f"`ColumnScan` {column_mb:.0f} ({column_mb / re_mb:.0f} times), "
        f"`TextScan` {text_mb:.0f} ({text_mb / re_mb:.0f} times)" + "".join(f", Presidio {one:.3f}" for one in others)
    )
    # Megabytes a second tell of the machine and what else runs there; the ratio does not.
    assert column_mb / re_mb >= LEAST_TIMES_RE


def paragraphs(pytestconfig):
    """Return paragraphs of open textbooks, five times over: sentences with capitals, years and Greek letters."""
    path = pytestconfig.rootpath.parent / "shared" / "data" / "openstax_paragraphs" / "paragraphs.jsonl.gz"
    if not path.is_file():
        pytest.skip("the folder of shared data sets is not on this machine")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines] * BOOK_TIMES


@pytest.mark.timeout(600)
def test_bytes_of_textbooks_per_cpu_second(bench, pytestconfig):
    cells = pa.array(paragraphs(pytestconfig))
    size, bare = int(cells.buffers()[2].size), bare_scan(cells)
    contenders = {
        "bare Hyperscan, the same patterns": lambda _turn: bare,
        "`ColumnScan`": lambda _turn: lambda: column_scan(cells),
        "`TextScan`": lambda _turn: lambda: text_scan(cells),
    }
    measure = f"identifiers in {size / 1e6:.0f} MB of textbooks"
    _, by_column, by_text = bench.race(measure, contenders, rounds=5).values()
    assert by_column["url"] == by_text["url"]
    rates = {name: size / 1e6 / bench.cpus[measure, name] for name in contenders}
    bench.note("MB per CPU second: " + ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items()))


def presidio(bench, python: Path, values):
    def run():
        script = Path(__file__).with_name("peer_presidio.py")
        text = "\n".join(values[:SLOW_ROWS])
        done = subprocess.run([str(python), str(script)], input=text, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        return bench.clocked_elsewhere(found, wall=found["wall"], cpu=found["cpu"])

    return run
