"""One text collection read once: how many documents, which repeat, which are blank, and what looks personal."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from lakehouse.archive import privacy
from lakehouse.archive.batches import Rows
from lakehouse.archive.encoding import NotUtf8Error
from lakehouse.archive.table_scan import FILE_BITS, Spot
from lakehouse.archive.tally import RowBudget, Tally
from lakehouse.archive.text_files import BadLine, Document, document_batches
from lakehouse.errors import SchemaError
from lakehouse.keys import KEY, Keys, KeyStore

TextFault = Literal["id_repeats", "text_repeats", "blank"]


@dataclass(slots=True)
class TextFileSeen:
    """What was seen of one file: lines that are no documents, and what kept it from being read."""

    place: str
    bad: Tally
    fault: str | None = None
    encoding: NotUtf8Error | None = None


@dataclass(slots=True)
class TextSeen:
    """What was seen of a collection in all its files; the rows of `suspicions` are addresses."""

    budget: RowBudget
    places: list[str] = field(default_factory=list)
    documents: int = 0
    faults: dict[TextFault, Tally] = field(default_factory=dict)
    suspicions: tuple[privacy.TextSuspicion, ...] = ()

    def tally(self, fault: TextFault) -> Tally:
        """Return how often the collection has a fault."""
        return self.faults.setdefault(fault, Tally(self.budget))

    def spot_of(self, address: int) -> Spot:
        """Return where an address is."""
        return Spot(self.places[address >> FILE_BITS], address & ((1 << FILE_BITS) - 1))

    def add_addresses(self, fault: TextFault, addresses: Rows) -> None:
        """Count documents by their addresses, given in order."""
        for number, place in enumerate(self.places):
            low, high = np.searchsorted(addresses, [number << FILE_BITS, (number + 1) << FILE_BITS])
            if low < high:
                self.tally(fault).add(place, addresses[low:high] - (number << FILE_BITS))


class TextScan:
    """Reads a collection's files one after another; `seen` grows with them."""

    def __init__(self, budget: RowBudget) -> None:
        self.seen = TextSeen(budget)
        self._ids = KeyStore(partial(self.seen.add_addresses, "id_repeats"))
        self._texts = KeyStore(partial(self.seen.add_addresses, "text_repeats"))
        self._privacy = privacy.TextScan()

    def read(self, path: Path, place: str) -> TextFileSeen:
        """Read one file; what keeps it from being read is noted, never raised."""
        file = TextFileSeen(place, Tally(self.seen.budget))
        base = len(self.seen.places) << FILE_BITS
        self.seen.places.append(place)
        try:
            for batch in document_batches(path):
                self._take(batch.documents, place, base)
                _note_bad(file, batch.bad)
        except NotUtf8Error as error:
            file.encoding = error
        except SchemaError as error:
            file.fault = str(error)
        return file

    def finish(self) -> TextSeen:
        """Return what was seen, after the last file."""
        self._ids.finish()
        self._texts.finish()
        self.seen.suspicions = self._privacy.suspicions()
        return self.seen

    def _take(self, documents: tuple[Document, ...], place: str, base: int) -> None:
        rows = np.array([document.row for document in documents], np.int64)
        self.seen.documents += len(documents)
        blank = np.array([not document.text.strip() for document in documents], np.bool_)
        if blank.any():
            self.seen.tally("blank").add(place, rows[blank])
        self._ids.add(_keys((document.document_id for document in documents), rows + base))
        self._texts.add(_keys((" ".join(document.text.split()) for document in documents), rows + base))
        for run in _runs(rows):
            mine = documents[run]
            # A file of its own has its name for both, which says no more than a title does.
            ids = ["" if one.document_id == one.title else one.document_id for one in mine]
            heads = {"id": ids, "title": [one.title for one in mine]}
            self._privacy.add([one.text for one in mine], base + int(rows[run.start]), heads)


def _note_bad(file: TextFileSeen, bad: tuple[BadLine, ...]) -> None:
    if bad:
        file.bad.add(file.place, np.array([line.row for line in bad]), bad[0].reason)


def _runs(rows: Rows) -> list[slice]:
    """Return the stretches of rows without a gap."""
    if not len(rows):
        return []
    edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    return [slice(low, high) for low, high in pairwise(edges)]


def _keys(texts: Iterable[str], addresses: Rows) -> Keys:
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    keys = np.empty(len(addresses), KEY)
    hashes = np.frombuffer(digests, np.uint64).reshape(-1, 2)
    keys["first"], keys["second"], keys["address"] = hashes[:, 0], hashes[:, 1], addresses
    return keys
