"""Compares each new dataset version with the one before it and records what has shifted."""

from collections.abc import Iterator

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.house import TRANSIENT_RETRIES, Origin, commit, failures, preview
from assets.store import silver_tables
from lakehouse.errors import NoTableError
from lakehouse.monitor.drift import drift_table
from lakehouse.ports import DatasetVersions, TableWrite
from lakehouse.tables.gold import DRIFT, LOADS
from lakehouse.tables.write_audit_publish import Lakehouse
