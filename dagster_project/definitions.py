"""The code location that Dagster loads."""

import gc

# Looking for garbage every 700 new objects, as Python does, takes a quarter of the time that loading all this takes.
gc.set_threshold(50_000)

from dagster_project.code_location import build  # noqa: E402
from dagster_project.settings import load_settings  # noqa: E402

defs = build(load_settings())
