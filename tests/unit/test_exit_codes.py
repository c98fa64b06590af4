"""Every kind of error that a person can meet has an exit code of its own."""

from collections import defaultdict

from lakehouse.errors import LakehouseError
from models.errors import ModelError

# Transient errors without a code of their own, and those that name a special case of their parent.
SHARED = {"TransientError", "NoUserError"}


def kinds(base):
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def test_no_two_kinds_of_error_share_an_exit_code():
    named = defaultdict(set)
    for kind in (*kinds(LakehouseError), *kinds(ModelError)):
        if kind.__name__ not in SHARED and "exit_code" in vars(kind):
            named[kind.exit_code].add(kind.__name__)
    assert not {code: names for code, names in named.items() if len(names) > 1}
    assert not set(named) & {0, 1, 2, 130}
