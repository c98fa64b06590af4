"""The policy as the current release states it: the terms of what is published, for the users there are."""

from functools import partial
from typing import Any

from lakehouse.errors import NoReleaseError
from lakehouse.policy.decisions import Policy
from lakehouse.policy.terms import read_terms
from lakehouse.policy.users import PolicyFile
from lakehouse.tables.gold import LOADS
from lakehouse.tables.records import TOMBSTONES
from lakehouse.tables.register import TERMS
from lakehouse.tables.release import Release
from lakehouse.tables.write_audit_publish import Lakehouse, recover


def released_policy(house: Lakehouse, said: PolicyFile) -> Policy:
    """Return what may be done with what is published now; before the first release there are no datasets."""
    recover(house)
    try:
        rows = partial(_rows, house, house.releases.current())
    except NoReleaseError:
        return Policy(said.users, {}, rules=said.rules)
    terms = read_terms(rows(TERMS.name), partial(rows, LOADS.name), partial(rows, TOMBSTONES.name))
    return Policy(said.users, terms, rules=said.rules)


def _rows(house: Lakehouse, release: Release, table: str) -> list[dict[str, Any]]:
    pin = release.tables.get(table)
    return house.tables.read(table, snapshot_id=pin.snapshot_id).to_pylist() if pin else []
