"""Keeps splits apart where documents say the same: such twins would measure memory."""

import pyarrow as pa
import pyarrow.compute as pc

from models.documents import documents_from
from models.leakage import NearDuplicate, held_twins, near_duplicates


def without_leaks(rows: pa.Table) -> tuple[pa.Table, list[NearDuplicate]]:
    """Return documents without the held-out ones that one of another split says almost word for word, and those.

    The held-out twin goes and not the training one, so that a text learned from stays where it was; of a validation
    and a test document that of validation goes, so that what models are judged on stays the same.
    """
    documents = documents_from(rows)
    found = near_duplicates(documents)
    gone = {each.held for each in found}
    found += held_twins([each for each in documents if each.document_id not in gone])
    leaked = pa.array([each.held for each in found], pa.string())
    return rows.filter(pc.invert(pc.is_in(rows["document_id"], value_set=leaked))), found
