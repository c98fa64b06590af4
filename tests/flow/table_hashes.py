"""The content of published tables as hashes that do not depend on who wrote them, when, or in which order."""

import hashlib
import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.tables.gold import MODEL_MEASURES
from lakehouse.tables.write_audit_publish import Lakehouse

OF_THE_RUN = {
    "*": {"run_id", "recorded_at", "validated_at", "saved_at", "dataset_commit", "_dataset_commit"},
    "archive.records": {"record_sha256"},  # of a record that names the commit
    "gold.model_versions": {"train_seconds", "documents_snapshot"},
    "gold.training_curve": {"tokens_per_second", "utilisation"},
}
"""Who wrote a row and when, and how fast: the columns that two runs of the same loop may differ in."""
BY_THE_CLOCK = frozenset({"gold.training_progress", "gold.tuning_progress"})
"""Tables of what was told while work went on, every ten seconds: a slower machine tells more."""
OF_THE_MACHINE = pc.field("measure").isin(["cpu_milliseconds_per_token", "peak_memory_bytes"])


def published(
    house: Lakehouse, apart: Mapping[str, set[str]], rows_apart: pc.Expression | None = None
) -> dict[str, str]:
    """Return the hash of every table of the current release, of all columns but those `apart` names for it (or `*`).

    Tables that depend on the clock are left out. `rows_apart` are rows of the measures of models that are left out.
    """
    release = house.releases.current()
    found: dict[str, str] = {}
    for name, pin in sorted(release.tables.items()):
        if pin.snapshot_id is not None and name not in BY_THE_CLOCK:
            rows = house.tables.read(name, snapshot_id=pin.snapshot_id)
            if name == MODEL_MEASURES.name and rows_apart is not None:
                rows = rows.filter(~rows_apart)
            found[name] = content_hash(rows, apart.get("*", set()) | apart.get(name, set()))
    return found


def content_hash(rows: pa.Table, apart: set[str]) -> str:
    """Return the SHA-256 of the schema and the sorted rows."""
    kept = rows.select([name for name in rows.column_names if name not in apart])
    lines = sorted(json.dumps(row, default=repr, sort_keys=True) for row in kept.to_pylist())
    schema = "\n".join(f"{field.name} {field.type}" for field in kept.schema)
    return hashlib.sha256("\n".join([schema, *lines]).encode()).hexdigest()
