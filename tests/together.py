"""Which test files share something costly: all their tests go to one worker, so that it is made once.

The files are named here, since only a test's name reaches the scheduler: pytest 9.2 drops the suffix by which
pytest-xdist 3.8 tells it the mark `xdist_group` (https://github.com/pytest-dev/pytest-xdist/issues/1386), silently.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER = frozenset(
    {
        "tests/browser/test_catalogue.py",
        "tests/browser/test_dashboard.py",
        "tests/contract/test_spark.py",
        "tests/flow/test_bad_input.py",
        "tests/flow/test_cluster.py",
        "tests/flow/test_ingest.py",
        "tests/withdrawal/test_forgetting.py",
        "tests/withdrawal/test_retract.py",
    }
)


class TogetherScheduling(LoadScopeScheduling):
    """Gives out tests one by one, and the files in TOGETHER each as a whole, those with the most tests first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return file if file in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TogetherScheduling | None:
    """Return the scheduler of `--dist loadgroup`."""
    return TogetherScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None
