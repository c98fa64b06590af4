"""Rows of a lake with what its pseudonyms stand for, so that lakes whose keys differ can be compared."""

import pyarrow as pa

from lakehouse.archive.pseudonyms import Pseudonyms
from tests.named_people import CARDS, NAMES


def spelled_out(rows: pa.Table, pseudonyms: Pseudonyms | None) -> pa.Table:
    """Return rows in which each pseudonym that a lake's key makes, and the key's fingerprint, say what they are of.

    Whatever was made with another key stays as it is, and so does a name that is no pseudonym.
    """
    if pseudonyms is None:
        return rows
    known: dict[object, str] = {pseudonyms.fingerprint: "the key"}
    known |= {pseudonyms.number(card): f"pseudonym of {card}" for card in CARDS}
    known |= {pseudonyms.text(name): f"pseudonym of {name!r}" for name in NAMES if name.strip()}
    for place, name in enumerate(rows.column_names):
        values = rows[name].to_pylist()
        if any(value in known for value in values if isinstance(value, str | int)):
            told = [known.get(value, value) if isinstance(value, str | int) else value for value in values]
            rows = rows.set_column(place, name, pa.array([None if one is None else str(one) for one in told]))
    return rows
