"""The code location that Dagster loads."""

from dagster_project.code_location import build
from dagster_project.settings import load_settings

defs = build(load_settings())
