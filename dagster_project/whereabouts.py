"""Says where the rows of a stored version are: its tables, its identifier, a statement to ask them by, its page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from assets.house import read_released
from lakehouse.archive.identifiers import Naming
from lakehouse.policy.decisions import Policy
from lakehouse.policy.first_look import first_look
from lakehouse.policy.terms import Access
from lakehouse.policy.users import User
from lakehouse.ports import DatasetVersion
from lakehouse.tables.gold import LOADS
from lakehouse.tables.records import RECORDS
from lakehouse.tables.write_audit_publish import Lakehouse

SHOWN_ROWS = 10
LAYERS = ("silver", "bronze")
READERS: Mapping[Access, str] = {
    "open": "open to everybody",
    "registered": "users of the archive (access: registered)",
    "restricted": "users whom the archive names for it (access: restricted)",
}


@dataclass(frozen=True, slots=True)
class Held:
    """A published table and how many of its rows are of the version."""

    table: str
    layer: str
    rows: int


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a version is and who may read it. `ask` is a statement that its first table answers, or why none would."""

    dataset: str
    version: str
    commit: str
    identifier: str
    page: str
    tables: tuple[Held, ...]
    readers: str
    ask: str

    def __str__(self) -> str:
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"STORED  {self.dataset} {self.version}, {self.identifier}, commit {self.commit[:12]}"
        names = max((len(held.table) for held in self.tables), default=0)
        counts = max((len(f"{held.rows:,}") for held in self.tables), default=0)
        for held in self.tables:
            yield f"  {held.table:<{names}}  {held.rows:>{counts},} {'row' if held.rows == 1 else 'rows'}"
        yield f"  read: {self.readers}"
        yield f"  ask:  {self.ask}"
        yield f"  page: {self.page}"


def whereabouts(
    house: Lakehouse, naming: Naming, policy: Policy, version: DatasetVersion, *, user: str
) -> Whereabouts | None:
    """Return where a version is as the current release has it, None while its rows are not stored.

    The statement is one that `user` may ask for the purpose that counts where none is named.
    """
    wanted = {"dataset": version.dataset, "dataset_version": version.version}
    loads = [row for row in read_released(house, LOADS).to_pylist() if wanted.items() <= row.items()]
    tables = tuple(
        Held(row["table_name"], layer, row["row_count"])
        for layer in LAYERS
        for row in sorted(loads, key=lambda row: str(row["table_name"]))
        if row["layer"] == layer
    )
    if not any(held.layer == "silver" for held in tables):
        return None
    records = [row for row in read_released(house, RECORDS).to_pylist() if wanted.items() <= row.items()]
    newest = max(records, key=lambda row: row["recorded_at"], default=None)
    return Whereabouts(
        dataset=version.dataset,
        version=version.version,
        commit=version.commit,
        identifier=newest["version_identifier"] if newest else "no identifier yet",
        page=naming.landing_url(version.dataset, version.version),
        tables=tables,
        readers=_readers(policy, version.dataset),
        ask=_ask(policy, policy.users.get(user), version, tables[0].table),
    )


def nothing_new(label: str, version: DatasetVersion) -> str:
    """Return a line that says so where what was handed in under a label is the content of another version."""
    if label == version.version:
        return ""
    return f"Nothing was added: this is the content of version {version.version}, and another label makes no version.\n"


def _readers(policy: Policy, dataset: str) -> str:
    """Return who may read a dataset, for the purposes that it permits."""
    terms = policy.terms.get(dataset)
    if terms is None:
        return "nobody, for no terms are published"
    people = any(part.is_personal for part in terms.parts.values())
    smallest = policy.rules.smallest_group
    return READERS[terms.access] + (f"; what is about people in groups of at least {smallest}" if people else "")


def _ask(policy: Policy, user: User | None, version: DatasetVersion, table: str) -> str:
    """Return a command that answers, or why none would."""
    part = table.partition(".")[2].removeprefix(f"{version.dataset}_")
    name, purpose = (user.name, user.default_purpose) if user else ("", "")
    decision = policy.decide(name, purpose, version.dataset, part)
    if not decision.permitted:
        return f"not by {name or 'nobody'} for {purpose or 'no purpose'}: {decision.reason}"
    return f'lakehouse sql "{first_look(decision, table, version.version, SHOWN_ROWS)}"'
