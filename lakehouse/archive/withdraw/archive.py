"""Everything of an archive that a withdrawal or retraction touches, and what the orchestrator adds to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.archive.shelf import Shelf
from lakehouse.archive.withdraw.receipt import Signer
from lakehouse.archive.withdraw.uploaded import UploadBin
from lakehouse.ports import DatasetVersions, ModelVersions
from lakehouse.storage_ports import Storage, Traces
from lakehouse.tables.write_audit_publish import Lakehouse


class Books(Protocol):
    """What is kept about versions beside their data."""

    def record(self, keys: Sequence[str], receipt: str) -> int:
        """Write the records of stored versions (``dataset@version``) again after their content changed; return how
        many.
        """  # noqa: D205 - one sentence

    def hide(self, key: str) -> Mapping[str, str]:
        """Take the registered identifiers of a removed version out of searches; return by identifier its state now.

        They still lead to its page. One that could not be reached without an account says so as its state.
        """

    def forget_previews(self, key: str) -> int:
        """Delete the first rows of a version that runs have kept to be looked at; return how many runs had some."""

    def forget_runs(self, keys: Sequence[str]) -> int:
        """Delete the runs of versions and submissions, which quote rows of them; return how many runs."""


class NoBooks:
    """For an archive without an orchestrator: nothing is kept beside the data."""

    def record(self, keys: Sequence[str], receipt: str) -> int:  # noqa: ARG002 - the port's
        """Do nothing."""
        return 0

    def hide(self, key: str) -> Mapping[str, str]:  # noqa: ARG002 - the port's
        """Do nothing."""
        return {}

    def forget_previews(self, key: str) -> int:  # noqa: ARG002 - the port's
        """Do nothing."""
        return 0

    def forget_runs(self, keys: Sequence[str]) -> int:  # noqa: ARG002 - the port's
        """Do nothing."""
        return 0


@dataclass(frozen=True)
class Archive:
    """Everything a person may be found in, and what signs the receipt. `receipts` is the folder people read them in.

    `silver_key` makes the pseudonyms that silver has for them.
    """

    house: Lakehouse
    versions: DatasetVersions
    shelf: Shelf
    models: ModelVersions
    traces: Traces
    storage: Storage
    signer: Signer
    receipts: Path
    code_commit: str
    silver_key: SilverKey
    books: Books = field(default_factory=NoBooks)
    uploads: UploadBin | None = None

    @property
    def scratch(self) -> Path:
        """Where versions are exported to be searched; removed afterwards."""
        return self.shelf.root / ".withdrawing"
