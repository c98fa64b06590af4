"""Which test files share something costly: all their tests go to one worker, so that it is made, or loaded, once.

The files are named here, since only a test's name reaches the scheduler: pytest 9.2 drops the suffix by which
pytest-xdist 3.8 tells it the mark `xdist_group` (https://github.com/pytest-dev/pytest-xdist/issues/1386), silently.
"""

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Files, folders whose files share a fixture, torch or transformers, and files that start from the same made lakes.
LEARNED, STORED = "a lake that texts are in", "a lake that a wave is in"
SHARED = {
    "tests/flow/test_accept.py": STORED,
    "tests/flow/test_corpus.py": LEARNED,
    "tests/flow/test_ingest.py": STORED,
    "tests/flow/test_learn.py": LEARNED,
    "tests/flow/test_registry.py": LEARNED,
}
TOGETHER = frozenset(
    {
        "tests/browser/test_catalogue.py",
        "tests/browser/test_dashboard.py",
        "tests/contract/endpoint/test_documents.py",
        "tests/contract/endpoint/test_endpoint_clients.py",
        "tests/contract/endpoint/test_endpoint_groups.py",
        "tests/contract/endpoint/test_endpoint_permission.py",
        "tests/contract/endpoint/test_endpoint_tls.py",
        "tests/contract/endpoint/test_view_renderings.py",
        "tests/contract/test_dataset_versions.py",
        "tests/contract/test_postgres_tls.py",
        "tests/contract/test_spark.py",
        "tests/contract/test_upload_events.py",
        "tests/faults/test_kill_while_withdrawing.py",
        "tests/flow/test_bad_input.py",
        "tests/flow/test_cluster.py",
        "tests/flow/test_kill.py",
        "tests/unit/archive/metadata",
        "tests/unit/catalogue",
        "tests/unit/models",
        "tests/withdrawal/test_forgetting.py",
        "tests/withdrawal/test_retract.py",
        "tests/withdrawal/test_uploaded.py",
        *SHARED,
    }
)


class TogetherScheduling(LoadScopeScheduling):
    """Gives out tests one by one, and the files and folders in TOGETHER each as a whole, those with most tests first.

    So what takes long is begun early, and single tests fill the end.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.split("::", 1)[0])
        named = next((name for place in (file, *file.parents) if (name := str(place)) in TOGETHER), nodeid)
        return SHARED.get(named, named)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TogetherScheduling | None:
    """Return the scheduler of `--dist loadgroup`."""
    return TogetherScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
