"""Names of parts are made of plain letters, and none of a word's letters is lost."""

import pytest

from lakehouse.archive.drafting import draft_here
from lakehouse.archive.letters import folded, spelled, stripped
from lakehouse.archive.metadata.incoming import Incoming


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Straße", "strasse"),
        ("STRAẞE", "strasse"),
        ("Øresund", "oresund"),
        ("Łódź", "lodz"),
        ("Æther œuvre", "aether oeuvre"),
        ("Þórður Guðmundsson", "thordur gudmundsson"),
        ("Đặng", "dang"),
        ("İstanbul \u0131rmak", "istanbul irmak"),
        ("Schüler", "schuler"),
        ("ﬁgure", "figure"),
        ("ǿre ǽther ℡", "ore aether tel"),
    ],
)
def test_letters_are_spelled_out(text, plain):
    assert spelled(text) == plain == folded(text)


def test_other_scripts_have_no_plain_letters():
    assert spelled("школа 7") == " 7"
    assert folded("школа 7") == "школа 7"


def test_a_draft_spells_letters_out_and_tells_what_earlier_drafts_wrote(tmp_path):
    (tmp_path / "Schülerstraßen.csv").write_text("Straße,Größe,Øre\nA,1,2\n", encoding="utf-8")
    (tmp_path / "new").mkdir()
    draft = draft_here(str(tmp_path / "Schülerstraßen.csv"), str(tmp_path / "new"), lambda _: None)
    assert "name: schulerstrassen\n" in draft["files"]["dataset.yaml"]
    written = draft["files"]["tables/schulerstrassen/columns.yaml"]
    assert all(f"\n  {name}:" in written for name in ("strasse", "grosse", "ore"))
    notes = "\n".join(draft["notes"])
    assert "'Schülerstraßen' is called 'schulerstrassen'; where it is stored as 'schulerstraen', call it so" in notes
    assert "column 'Straße' is called 'strasse'; where it is stored as 'strae', call it so, or say so" in notes


def test_names_of_packages_stay_as_stored_versions_have_them():
    package = Incoming()
    assert package.column_name("Straße", "places", []) == stripped("Straße") == "strae"
    assert package.part_name("Øre", "x") == "re"
    assert [one.reason for one in package.remarks] == ["column 'Straße' is called 'strae'", "'Øre' is called 're'"]


def test_a_note_names_the_form_that_a_column_had_beside_the_earlier_forms_of_the_others():
    package = Incoming(plain=spelled)
    names: list[str] = []
    for label in ("Maße", "Masse", "masse", "plain"):
        names.append(package.column_name(label, "body", names))
    assert names == ["masse", "masse_2", "masse_3", "plain"]
    told = [one.reason for one in package.remarks]
    assert "called 'masse'; where it is stored as 'mae'" in told[0]
    assert "called 'masse_2'; where it is stored as 'masse'" in told[1]
    assert "called 'masse_3'; where it is stored as 'masse_2'" in told[2]
    assert len(told) == 3


def test_a_column_of_a_package_is_called_the_same_whatever_stands_beside_it():
    alone, beside = Incoming(), Incoming()
    (name,) = [alone.column_name("Maße", "body", [])]
    names: list[str] = []
    for label in ("Maße", "Masse"):
        names.append(beside.column_name(label, "body", names))
    assert names == [name, "masse"], "or the rows of one would be stored as those of the other"
