"""What the catalogue answers from: the newest release's holdings and index, and the records of versions."""

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from lakehouse.catalogue.holdings import Holdings, Version, current_release, read_holdings
from lakehouse.catalogue.index import SearchIndex
from lakehouse.errors import LakehouseError
from lakehouse.policy.users import PolicyFile
from lakehouse.tables.write_audit_publish import Lakehouse

log = logging.getLogger(__name__)

RECORD_FILE = "record.json"
KEPT_FILES = 256


@dataclass(frozen=True, slots=True)
class Address:
    """Where the archive can be reached, for the pages that say how to get data."""

    base_url: str
    datasets: str
    sql_uri: str
    s3_endpoint: str
    s3_bucket: str


@dataclass(slots=True)
class _Shown:
    holdings: Holdings
    index: SearchIndex
    files: OrderedDict[str, bytes] = field(default_factory=OrderedDict)


@dataclass
class Library:
    """The catalogue's state. `refresh` moves it to the newest release; everything else reads what it found there."""

    house: Lakehouse
    policy: Callable[[], PolicyFile]
    address: Address
    fault: str | None = "nothing is read yet"
    _shown: _Shown = field(default_factory=lambda: _Shown(Holdings(), SearchIndex(Holdings())))
    _refreshing: Lock = field(default_factory=Lock)
    _keeping: Lock = field(default_factory=Lock)

    @property
    def holdings(self) -> Holdings:
        """What the release that is shown holds."""
        return self._shown.holdings

    @property
    def index(self) -> SearchIndex:
        """The search over the release that is shown."""
        return self._shown.index

    def refresh(self) -> bool:
        """Read the newest release if it is not shown yet; return whether it changed.

        What goes wrong is kept in `fault` and the release shown before stays.
        """
        with self._refreshing:
            try:
                release = current_release(self.house)
                number = release.number if release else 0
                changed = number != self.holdings.release
                if changed:
                    holdings = read_holdings(self.house, release)
                    self._shown = _Shown(holdings, SearchIndex(holdings))
            except LakehouseError as error:
                log.warning("the catalogue stays at release %s: %s", self.holdings.release, error)
                self.fault = str(error)
                return False
            self.fault = None
            return changed

    def record(self, version: Version) -> Mapping[str, Any]:
        """Return the record of a version."""
        record: dict[str, Any] = json.loads(self.file(version, RECORD_FILE))
        return record

    def file(self, version: Version, name: str) -> bytes:
        """Return a file of a version's record; the newest ones asked for stay in memory until the next release.

        A withdrawal or retraction edits the files where they lie, and publishes a release afterwards.
        """
        key, files = f"{version.folder}/{name}", self._shown.files
        with self._keeping:
            if key in files:
                files.move_to_end(key)
                return files[key]
        body = self.house.objects.get(key)
        with self._keeping:
            files[key] = body
            while len(files) > KEPT_FILES:
                files.popitem(last=False)
        return body
