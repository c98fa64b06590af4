"""The policy as the current release states it: the terms of what is published, for the users there are."""

from lakehouse.errors import NoReleaseError
from lakehouse.policy.decisions import Policy
from lakehouse.policy.terms import read_terms
from lakehouse.policy.users import PolicyFile
from lakehouse.tables.register import TERMS
from lakehouse.tables.write_audit_publish import Lakehouse, recover


def released_policy(house: Lakehouse, said: PolicyFile) -> Policy:
    """Return what may be done with what is published now; before the first release there are no datasets."""
    recover(house)
    try:
        pin = house.releases.current().tables.get(TERMS.name)
    except NoReleaseError:
        pin = None
    rows = house.tables.read(TERMS.name, snapshot_id=pin.snapshot_id).to_pylist() if pin else []
    return Policy(said.users, read_terms(rows), rules=said.rules)
