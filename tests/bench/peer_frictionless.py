"""Validates one CSV file with frictionless and prints seconds and row count; run by an interpreter that has it.

Not named `frictionless_...`: that library imports every module of such a name as a plugin of its own.
"""

import json
import sys
import time

from frictionless import Resource, Schema, validate

schema = Schema.from_descriptor(json.loads(sys.argv[2]))
resource = Resource(path=sys.argv[1], schema=schema)
wall, cpu = time.perf_counter(), time.process_time()
report = validate(resource, limit_errors=1_000_000)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
task = report.tasks[0]
found = {"wall": wall, "cpu": cpu, "rows": task.stats["rows"], "errors": task.stats["errors"]}
sys.stdout.write(json.dumps(found))
