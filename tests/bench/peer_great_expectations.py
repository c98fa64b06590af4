"""Validates one CSV file with Great Expectations and prints seconds and bad rows; run by an interpreter that has it."""

import json
import logging
import sys
import time

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

logging.disable(logging.CRITICAL)
path, promises = sys.argv[1], json.loads(sys.argv[2])
context = gx.get_context(mode="ephemeral")
asset = context.data_sources.add_pandas("bench").add_dataframe_asset("marks")
batch = asset.add_batch_definition_whole_dataframe("all")
suite = context.suites.add(gx.ExpectationSuite(name="promises"))
for expectation in (
    gxe.ExpectColumnValuesToBeUnique(column="enrolment"),
    gxe.ExpectColumnValuesToNotBeNull(column="pseudonym"),
    gxe.ExpectColumnValuesToMatchRegex(column="term", regex="^[0-9]+$"),
    gxe.ExpectColumnValuesToBeBetween(column="mark", min_value=0, max_value=100),
    gxe.ExpectColumnValuesToBeInSet(column="status", value_set=promises["status"]),
    gxe.ExpectColumnValuesToBeInSet(column="course", value_set=promises["course"]),
    gxe.ExpectColumnValuesToMatchRegex(column="recorded_on", regex=promises["date"]),
):
    suite.add_expectation(expectation)
definition = context.validation_definitions.add(gx.ValidationDefinition(name="marks", data=batch, suite=suite))
wall, cpu = time.perf_counter(), time.process_time()
frame = pd.read_csv(path, dtype={"term": str, "recorded_on": str})
found = definition.run(
    batch_parameters={"dataframe": frame},
    result_format={"result_format": "COMPLETE", "include_unexpected_rows": False},
)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
rows = {row for result in found.results for row in result.result.get("unexpected_index_list") or ()}
sys.stdout.write(json.dumps({"wall": wall, "cpu": cpu, "bad": len(rows)}))
