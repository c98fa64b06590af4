"""Patterns and number formats that the endpoint takes, against Java itself, which Dremio's functions call."""

import base64
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from lakehouse.endpoint.faults import RefusedStatementError
from lakehouse.endpoint.regexes import checked

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="needs Java 11 or newer")
# Compiling well costs more than these few calls save.
LEAN = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
ORACLE = Path(__file__).with_name("JavaOracle.java")
SEED = 20261127
ATOMS = (
    *("a", "b", "1", ".", "[ab]", "[^a1]", "\\d", "\\w", "\\s", "\\S", "\\.", "-", "_", "ä"),
    *("(?:ab)", "\\Q.*\\E"),
)
REPEATS = ("", "", "", "+", "?", "*", "{2}", "{1,3}", "+?", "*?")
LETTERS = "aab1 b-_.*äZ"
FORMATS = (
    *("#", "0", "#,##0", "#,###", "000", "00,000", "0.0", "#.#", "#.00"),
    *("#,##0.00", "0.00##", "##,##0.0#", "#0.######"),
)
NUMBERS = (
    *("0", "7", "-7", "10", "999", "1000", "-123456", "1234567", "999999999999", "12345678.125"),
    *("0.5", "-0.5", "7.5", "1000.25", "-1234.50", "0.07"),
)


def java(tasks):
    lines = ["\t".join([kind, *(base64.b64encode(part.encode()).decode() for part in parts)]) for kind, *parts in tasks]
    done = subprocess.run(
        ["java", *LEAN, str(ORACLE)], input="\n".join(lines), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [base64.b64decode(line).decode() for line in done.stdout.splitlines()]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def pattern(chance, depth=2):
    parts = []
    for _ in range(chance.randint(1, 3)):
        inner = f"({pattern(chance, depth - 1)})" if depth and chance.random() < 0.4 else chance.choice(ATOMS)
        parts.append(inner + chance.choice(REPEATS))
    whole = "".join(parts)
    return f"{whole}|{chance.choice(ATOMS)}" if chance.random() < 0.2 else whole


def patterns(count):
    """Return patterns that the endpoint takes, each with a text it is asked about."""
    chance = random.Random(SEED)
    found = []
    while len(found) < count:
        text = ("^" * (chance.random() < 0.1)) + pattern(chance) + ("$" * (chance.random() < 0.1))
        try:
            regex = checked(text)
        except RefusedStatementError:
            continue
        if regex.groups <= 9:
            found.append((regex, "".join(chance.choices(LETTERS, k=chance.randint(0, 9)))))
    return found


def asked(client, expressions):
    found = []
    for start in range(0, len(expressions), 100):
        part = expressions[start : start + 100]
        columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(part))
        found += client.values(f"SELECT {columns}")[0]
    return found


def test_patterns_find_extract_and_replace_what_java_does(client):
    tasks, expressions = [], []
    for regex, text in patterns(250):
        group = max({0, *range(1, regex.groups + 1)} - regex.repeated)
        tasks += [("like", regex.text, text)]
        expressions += [f"REGEXP_LIKE({quoted(text)}, {quoted(regex.text)})"]
        if not regex.may_be_empty:
            new = f"<${group}>\\$"
            tasks += [("replace", regex.text, text, new), ("extract", regex.text, text, str(group))]
            expressions += [
                f"REGEXP_REPLACE({quoted(text)}, {quoted(regex.text)}, {quoted(new)})",
                f"REGEXP_EXTRACT({quoted(text)}, {quoted(regex.text)}, {group})",
            ]
    ours = [str(value).lower() if isinstance(value, bool) else value for value in asked(client, expressions)]
    differing = [
        f"{expression}: {mine!r}, Java {theirs!r}"
        for expression, mine, theirs in zip(expressions, ours, java(tasks), strict=True)
        if mine != theirs
    ]
    assert not differing, f"seed {SEED}: {differing[:10]} ({len(differing)} of {len(expressions)})"


def test_numbers_are_written_as_java_writes_them(client):
    pairs = [
        (layout, number)
        for layout in FORMATS
        for number in NUMBERS
        if len(number.partition(".")[2]) <= len(layout.partition(".")[2])
    ]
    ours = asked(client, [f"TO_CHAR({number}, {quoted(layout)})" for layout, number in pairs])
    theirs = java([("format", layout, number) for layout, number in pairs])
    differing = [(pair, mine, other) for pair, mine, other in zip(pairs, ours, theirs, strict=True) if mine != other]
    assert len(pairs) > 100
    assert not differing
