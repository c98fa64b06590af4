"""Keeps held-out documents apart from training documents that say the same: such twins would measure memory."""

import pyarrow as pa
import pyarrow.compute as pc

from models.documents import documents_from
from models.leakage import NearDuplicate, near_duplicates


def without_leaks(rows: pa.Table) -> tuple[pa.Table, list[NearDuplicate]]:
    """Return documents without the held-out ones that a training document says almost word for word, and those.

    The held-out twin goes and not the training one, so that a text learned from stays where it was.
    """
    found = near_duplicates(documents_from(rows))
    leaked = pa.array([each.held for each in found], pa.string())
    return rows.filter(pc.invert(pc.is_in(rows["document_id"], value_set=leaked))), found
