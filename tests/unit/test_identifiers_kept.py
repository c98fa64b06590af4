"""No version goes into silver whose identifiers could not be joined with those of the others."""

from datetime import UTC, datetime

import pytest

from assets import identifiers_kept
from assets.identifiers_kept import hidden_in_silver
from lakehouse.archive.deidentified import NOBODY_NAMED
from lakehouse.archive.eds import Description
from lakehouse.archive.pseudonyms import SilverKey
from lakehouse.errors import PseudonymError
from lakehouse.ports import DatasetVersion

VERSION = DatasetVersion("choir", "1", "c" * 40, "v1", "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))
SINGERS = {
    "name": "singers",
    "description": "S.",
    "grain": "one row",
    "columns": {"code": {"type": "string", "description": "Code."}},
}
CHOIR = {
    "eds_version": "1.0",
    "name": "choir",
    "version": "1",
    "title": "T",
    "description": "D",
    "accumulates": "waves",
    "tables": {"singers": SINGERS},
}


@pytest.mark.parametrize(("mine", "theirs"), [(None, "code"), ("", "code"), (None, None), ("", ""), (None, "mail")])
def test_terms_that_were_written_first_do_not_let_a_version_in_beside_pseudonyms(tmp_path, monkeypatch, mine, theirs):
    key = SilverKey(tmp_path)
    row = {"dataset": "choir", "part": "singers", "pseudonym_key": None}
    later = {"dataset_version": "2", "pseudonym_columns": theirs}
    if theirs:
        later["pseudonym_key"] = key.open().fingerprint
    terms = [row | {"dataset_version": "1", "pseudonym_columns": mine}, row | later]
    monkeypatch.setattr(identifiers_kept, "_terms", lambda house: terms)
    about = Description.model_validate(CHOIR)
    if theirs == "code":
        with pytest.raises(PseudonymError, match=r"singers\.code as submitted in some versions of choir"):
            hidden_in_silver(None, about, VERSION, key, already_stored=False)
    else:
        assert hidden_in_silver(None, about, VERSION, key, already_stored=False) == NOBODY_NAMED
    assert hidden_in_silver(None, about, VERSION, key, already_stored=True) == NOBODY_NAMED
