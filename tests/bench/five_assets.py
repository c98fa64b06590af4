"""Five trivial assets in a row, for a run in one process and for Dagster's stock executor."""

import dagster as dg


@dg.asset
def first() -> None:
    """Start the row."""


def _after(name: str, before: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=[before])
    def follower() -> None:
        return None

    return follower


ASSETS = [first, _after("second", "first"), _after("third", "second"), _after("fourth", "third")]
ASSETS.append(_after("fifth", "fourth"))


def five() -> dg.JobDefinition:
    """Return the job; its executor is the one Dagster uses by default, told to give each step a process."""
    job = dg.define_asset_job("five", executor_def=dg.multiprocess_executor)
    return dg.Definitions(assets=ASSETS, jobs=[job]).resolve_job_def("five")
