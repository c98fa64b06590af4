"""A small lake to serve in tests: Iceberg tables in a folder, written with PyIceberg, and a release over them."""

import datetime as dt
import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

from lakehouse.definition import Column, TableDefinition
from lakehouse.errors import NoObjectError, ObjectExistsError
from lakehouse.ports import TablePointer
from lakehouse.tables.gold import GOLD
from lakehouse.tables.register import REGISTER
from lakehouse.tables.release import Release, ReleaseLog, View

WAVES = ("2007", "2009", "2011", "2012", "2013", "2014", "2015", "2016")
OUTCOMES = TableDefinition(
    name="silver.college_scorecard_outcomes",
    grain="one row per institution and wave",
    key=("unitid", "year", "dataset_version"),
    columns=(
        Column("unitid", pa.int64(), "Institution.", nullable=False),
        Column("state_abbr", pa.string(), "State."),
        Column("pred_degree_awarded_ipeds", pa.int64(), "Predominant degree."),
        Column("year", pa.int64(), "Year of the wave."),
        Column("earnings_med", pa.int64(), "Median earnings.", unit="USD"),
        Column("count_not_working", pa.int64(), "Not working.", unit="1"),
        Column("count_working", pa.int64(), "Working.", unit="1"),
        Column("dataset_version", pa.string(), "Version label.", nullable=False),
        Column("dataset_commit", pa.string(), "DataLad commit.", nullable=False),
    ),
)
WORDS: Mapping[str, tuple[str, ...]] = {
    "dataset": ("college_scorecard", "python_docs"),
    "dataset_version": WAVES,
    "reference_version": WAVES,
    "submission": tuple(f"college_scorecard@{wave}" for wave in WAVES),
    "verdict": ("accepted", "accepted", "refused"),
    "level": ("error", "warning", "note"),
    "code": ("REFERENCE_BROKEN", "PERSONAL_EMAIL", "UNIT_MISSING"),
    "principle": ("F", "A", "I", "R"),
    "indicator": ("RDA-F1-01M", "RDA-F2-01M", "RDA-A1-01M", "RDA-I1-01M", "RDA-R1-01M"),
    "layer": ("bronze", "silver", "gold"),
    "split": ("train", "validation", "test"),
    "cause": ("first", "schedule", "drift"),
    "decision": ("retrain", "wait"),
    "measure": ("population_stability_index", "missing_share_change"),
    "state_abbr": ("CA", "NY", "TX", "WA", "MA"),
    "licence": ("CC0-1.0", "PSF-2.0"),
    "top_tokens": ('["the", "a", "of", "to", "and"]',),
    "top_probabilities": ("[0.3, 0.2, 0.1, 0.05, 0.01]",),
}

VERSIONS = ("lm-0001", "lm-0002")
SETS = ("held-out-1", "held-out-2")
SLICES = ("all", "college_scorecard", "python_docs")
BITS = {"gpt": 2.0, "trigram": 2.6, "unigram": 3.4}


def _at(minutes: int) -> dt.datetime:
    return dt.datetime(2026, 1, 20, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)


def _measured(version: str, test_set: str) -> dict[str, object]:
    return {"model_version": version, "evaluation_snapshot": test_set, "recorded_at": _at(60 * SETS.index(test_set))}


def _judged(number: int, *, promoted: bool = False) -> dict[str, object]:
    """A classifier's version; the first is in use, the second was not better."""
    version = f"topics-{number:04d}"
    key = {"event_key": f"{number:010d}:0:judged:{version}", "judgement": f"{number - 1}:tests", "classifier": "topics"}
    return _measured(version, SETS[0]) | key | {"base": VERSIONS[0], "promoted": promoted, "licence": "CC0-1.0"}


CLASSIFIER_SHOWS = (
    {"kind": "figure", "name": "accuracy", "slice": "all", "value": 0.8, "low": 0.75, "high": 0.85, "text_count": 60},
    {"kind": "figure", "name": "macro_f1", "slice": "all", "value": 0.7},
    {"kind": "figure", "name": "accuracy_of_counted_words", "slice": "all", "value": 0.75},
    {"kind": "figure", "name": "gain_over_counted_words", "slice": "all", "value": 0.05, "low": 0.01, "high": 0.09},
    {"kind": "test", "name": "typos", "slice": "invariance", "value": 0.5, "passed": False, "stops": "promotion"},
)
TAUGHT = {"model_version": "instructed-0001", "evaluation_snapshot": SETS[0], "judgement": "none:t1", "event_key": "1"}
# Two models, the newer one rejected, so that the newest is not the current one; both measured on two test sets.
MODELS: Mapping[str, Sequence[Mapping[str, object]]] = {
    "gold.model_versions": [
        {"model_version": version, "recorded_at": _at(60 * number)} for number, version in enumerate(VERSIONS)
    ],
    "gold.training_curve": [
        {
            "model_version": version,
            "step": step,
            "train_bits_per_byte": 2.0 + number + 20 / (step + 10),
            "validation_bits_per_byte": 2.1 + number + 20 / (step + 10),
        }
        for (number, version), step in itertools.product(enumerate(VERSIONS), range(0, 100, 5))
    ],
    "gold.training_progress": [
        {"training_key": "c0ffee00" * 8, "step": step, "steps": 240, "train_bits_per_byte": 4.0, "utilisation": 0.2}
        for step in (1, 10, 20)
    ],
    "gold.token_shares": [
        {"model_version": version, "dataset": dataset, "licence": licence, "token_count": 1000, "token_share": 0.5}
        for version in VERSIONS
        for dataset, licence in (("college_scorecard", "CC0-1.0"), ("python_docs", "PSF-2.0"))
    ],
    "gold.evaluations": [
        _measured(version, test_set)
        | {"evaluator": evaluator, "slice": part, "byte_count": 1000, "document_count": 10, "standard_error": 0.05}
        | {"bits_per_byte": bits + (0.3 * number if evaluator == "gpt" else 0.0) + 4.0 * (test_set == SETS[0])}
        for (number, version), test_set, (evaluator, bits), part in itertools.product(
            enumerate(VERSIONS), SETS, BITS.items(), SLICES
        )
        if (version, test_set) != (VERSIONS[1], SETS[0])
    ],
    "gold.predictions": [
        _measured(version, test_set)
        | {"passage_id": f"text#{place}", "passage": f"A passage for {version} from {test_set}, number {place}."}
        | {"dataset": SLICES[1 + place % 2], "in_top_5": place % 4 != 0, "next_token_probability": place / 20}
        for version, test_set, place in itertools.product(VERSIONS, SETS, range(1, 13))
    ],
    "gold.model_tests": [
        _measured(version, SETS[0])
        | {"test": test, "value": 0.5, "threshold": 0.6, "passed": True, "stops": "promotion"}
        for version, test in itertools.product(VERSIONS, ("no_dataset_is_left_behind", "writes_text"))
    ],
    "gold.model_measures": [
        {"model_version": version, "measure": "bits_per_byte", "slice": part, "measured_on": SETS[0], "value": 2.0}
        for version, part in itertools.product(VERSIONS, SLICES)
    ],
    "gold.model_forms": [
        _measured(version, SETS[0])
        | {"form": f"{version}-int8", "asked": "worse_at_most 0.005", "accepted": True, "reason": "accepted"}
        | {"size_bytes": 25, "whole_size_bytes": 100, "weights_sha256": "0" * 64}
        | {"tokens_per_cpu_second": 90.0, "whole_tokens_per_cpu_second": 100.0}
        for version in VERSIONS
    ],
    "gold.classifier_versions": [
        _judged(1, promoted=True) | {"reason": "the first model that beats the baselines"},
        _judged(2, promoted=False) | {"compared_with": "topics-0001", "difference": -0.05, "low": -0.1, "high": 0.01},
    ],
    "gold.classifier_results": [
        {name: _judged(number)[name] for name in ("model_version", "evaluation_snapshot", "judgement")} | shown
        for number, shown in itertools.product((1, 2), CLASSIFIER_SHOWS)
    ],
    "gold.instructed_versions": [TAUGHT | {"reason": "the first", "promoted": True, "base": "lm-0001"}],
    "gold.instructed_results": [
        TAUGHT
        | {"kind": "figure", "name": name, "slice": "all", "value": value, "low": value - 0.1, "high": value + 0.1}
        for name, value in (("response_loss", 1.5), ("base_response_loss", 2.5), ("gain_over_base", 1.0))
    ],
    "gold.promotions": [
        _measured(VERSIONS[0], SETS[0])
        | {"compared_with": None, "promoted": True, "difference": None, "standard_error": None}
        | {"reason": "the first model that beats the baselines"},
        _measured(VERSIONS[1], SETS[1])
        | {"compared_with": VERSIONS[0], "promoted": False, "difference": 0.3, "standard_error": 0.05}
        | {"reason": "0.300 bits per byte worse than lm-0001"},
    ],
}


class FolderObjects:
    """An object store in a folder, enough for the release log."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, body: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def note(self, key: str, body: bytes) -> None:
        self.put(key, body)

    def put_new(self, key: str, body: bytes) -> None:
        if (self.root / key).exists():
            raise ObjectExistsError(key)
        self.put(key, body)

    def get(self, key: str) -> bytes:
        if not (self.root / key).is_file():
            raise NoObjectError(key)
        return (self.root / key).read_bytes()

    def stored_at(self, key: str) -> dt.datetime:
        return dt.datetime.fromtimestamp((self.root / key).stat().st_mtime, dt.UTC)

    def keys(self, prefix: str) -> list[str]:
        found = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        return sorted(key for key in found if key.startswith(prefix))

    def delete(self, key: str) -> None:
        (self.root / key).unlink(missing_ok=True)


class SampleLake:
    """Tables under `folder`/warehouse, releases under `folder`/objects."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = folder / "warehouse"
        self.warehouse.mkdir(parents=True, exist_ok=True)
        self.releases = ReleaseLog(FolderObjects(folder / "objects"))
        self.catalog = SqlCatalog("sample", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{self.warehouse}")

    def close(self) -> None:
        """Let go of the catalogue's database."""
        self.catalog.close()

    def write(self, name: str, rows: pa.Table) -> TablePointer:
        """Append rows, creating the table when it is absent; return where it stands."""
        namespace = name.split(".")[0]
        self.catalog.create_namespace_if_not_exists(namespace)
        table = self.catalog.create_table_if_not_exists(name, schema=rows.schema)
        if rows.num_rows:
            table.append(rows)
        return self.pointer(name)

    def pointer(self, name: str) -> TablePointer:
        """Return where a table stands now."""
        table = self.catalog.load_table(name)
        snapshot = table.current_snapshot()
        return TablePointer(name, table.metadata_location, snapshot.snapshot_id if snapshot else None)

    def publish(self, pointers: Sequence[TablePointer], views: Mapping[str, str] | None = None) -> Release:
        """Make tables and views visible: everything published before stays, views are replaced when given."""
        number = len(self.releases.objects.keys("releases/"))
        old = self.releases.current() if number else Release(number=0, created_at="")
        release = Release(
            number=old.number + 1,
            created_at="2026-01-01T00:00:00.000+00:00",
            tables={**old.tables, **{pointer.name: pointer for pointer in pointers}},
            views=old.views if views is None else {name: View(name, sql) for name, sql in views.items()},
        )
        self.releases.objects.put_new(f"releases/{release.number:010d}.json", release.to_json())
        return release


def plausible_rows(table: TableDefinition, count: int, seed: int = 7) -> pa.Table:
    """Return rows that look like the real ones, the same for the same seed."""
    chance = random.Random(f"{table.name}/{seed}")
    schema = table.arrow_schema()
    columns = [[_value(column, row, chance) for row in range(count)] for column in table.columns]
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def everything(lake: SampleLake, views: Mapping[str, str], rows: int = 60) -> Release:
    """Write every static table and the demo outcomes, and publish them with the views."""
    tables = (*REGISTER, *GOLD, OUTCOMES)
    return lake.publish([lake.write(table.name, _rows(table, rows)) for table in tables], views)


def _rows(table: TableDefinition, count: int) -> pa.Table:
    known = MODELS.get(table.name)
    if known is None:
        return plausible_rows(table, count)
    rows = plausible_rows(table, len(known)).to_pylist()
    complete = [row | given for row, given in zip(rows, known, strict=True)]
    return pa.Table.from_pylist(complete, schema=table.arrow_schema())


def _value(column: Column, row: int, chance: random.Random) -> object:
    if column.name in WORDS:
        words = WORDS[column.name]
        return words[row % len(words)]
    if column.nullable and chance.random() < 0.05:
        return None
    return _typed(column, row, chance)


def _typed(column: Column, row: int, chance: random.Random) -> object:
    if pa.types.is_timestamp(column.type):
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=7 * row, microseconds=row)
    if pa.types.is_date(column.type):
        return dt.date(2026, 1, 1) + dt.timedelta(days=row)
    if pa.types.is_date(column.type):
        return dt.date(2026, 1, 1) + dt.timedelta(days=row)
    if pa.types.is_boolean(column.type):
        return chance.random() < 0.5
    if pa.types.is_floating(column.type):
        return chance.random() * (4.0 if column.unit == "bit/byte" else 1.0)
    if pa.types.is_integer(column.type):
        return int(WAVES[row % len(WAVES)]) if column.name == "year" else chance.randrange(1, 50_000)
    return f"{column.name}-{row:04d}"
