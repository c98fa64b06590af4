"""Persistent identifiers, minted once: an ARK for every dataset and for every version of it."""

from dataclasses import dataclass
from urllib.parse import quote

from lakehouse.ark import ark
from lakehouse.errors import CommitConflictError, ObjectExistsError
from lakehouse.ports import ObjectStore

DATASET_SHOULDER, VERSION_SHOULDER = "d1", "v1"
ATTEMPTS = 8
PREFIX = "identifiers"


@dataclass(frozen=True, slots=True)
class Naming:
    """How this archive names things: its name assigning authority number, and where its catalogue answers."""

    naan: str
    base_url: str

    def landing_url(self, dataset: str, version: str | None = None) -> str:
        """Return the address of the page of a dataset, or of one version."""
        page = f"{self.base_url.rstrip('/')}/datasets/{quote(dataset)}"
        return f"{page}/{quote(version)}" if version else page

    def files_url(self, dataset: str, version: str) -> str:
        """Return the address below which the files of a version are served."""
        return f"{self.landing_url(dataset, version)}/files"


def mint(objects: ObjectStore, naming: Naming, dataset: str, version: str | None = None) -> str:
    """Return the identifier of a dataset or version; the first call mints it and every later one returns the same.

    Both directions are registered with create-only writes, so that neither two runs give one thing two identifiers
    nor two things one. A number that changes later leaves identifiers that exist as they are.
    """
    named = f"{dataset}@{version}" if version else dataset
    record = f"{PREFIX}/of/{dataset}/versions/{version}" if version else f"{PREFIX}/of/{dataset}/dataset"
    shoulder = VERSION_SHOULDER if version else DATASET_SHOULDER
    for attempt in range(ATTEMPTS):
        candidate = ark(naming.naan, shoulder, f"{named}#{attempt}")
        if _put_or_get(objects, f"{PREFIX}/named/{candidate.rpartition('/')[2]}", named) == named:
            return _put_or_get(objects, record, candidate)
    raise CommitConflictError(f"{ATTEMPTS} identifiers for {named} name other things; run the step again")


def _put_or_get(objects: ObjectStore, key: str, text: str) -> str:
    try:
        objects.put_new(key, text.encode())
    except ObjectExistsError:
        return objects.get(key).decode()
    return text
