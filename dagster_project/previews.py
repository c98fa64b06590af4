"""Takes the first rows of versions that were changed or removed out of what Dagster's runs have kept to look at."""

import re
from collections.abc import Iterator

import dagster as dg

from lakehouse.markdown import plain

PARTITION = "dagster/partition"
MOST_RECORDS = 10_000


def forget_runs(instance: dg.DagsterInstance, key: str) -> int:
    """Delete the runs of a version (``dataset@version``), and those that quote documents of its dataset.

    What they made stays; only their events, with the rows these quote, are gone. Return how many runs; again is no
    error.
    """
    quoted = _documents_of(key.partition("@")[0])
    doomed = {run.run_id for run in instance.get_runs(filters=dg.RunsFilter(tags={PARTITION: key}))}
    for asset in instance.all_asset_keys():
        found = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=asset), limit=MOST_RECORDS).records
        doomed |= {one.run_id for one in found if any(quoted.search(text) for text in _texts(one))}
    for run_id in sorted(doomed):
        instance.delete_run(run_id)
    return len(doomed)


def _documents_of(dataset: str) -> re.Pattern[str]:
    """Return what finds the names of a dataset's documents, ``dataset/collection/...``, as Markdown shows them.

    Another dataset may have a longer name with the same end, or a collection of that name.
    """
    shown = "|".join(re.escape(name) for name in {plain(dataset), dataset})
    return re.compile(rf"(?<![0-9A-Za-z_/])(?:{shown})/")


def _texts(record: dg.EventLogRecord) -> Iterator[str]:
    """Yield what a materialisation shows as Markdown."""
    made = record.asset_materialization
    for value in made.metadata.values() if made is not None else ():
        if isinstance(value, dg.MarkdownMetadataValue):
            yield value.md_str or ""
