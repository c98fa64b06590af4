"""Names of parts are made of plain letters, and none of a word's letters is lost."""

import json

import pytest
import yaml

from lakehouse.archive.drafting import draft_here
from lakehouse.archive.letters import folded, spelled
from lakehouse.archive.metadata.adopting import adopt
from lakehouse.archive.metadata.incoming import column_names


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


def called(*labels, taken=()):
    return [(one.name, one.former) for one in column_names(labels, taken)]


def test_names_are_spelled_out_and_say_what_they_were():
    assert called("Straße", "Øre", "Größe", "plain") == [
        ("strasse", "strae"), ("ore", "re"), ("grosse", "groe"), ("plain", None),
    ]  # fmt: skip


def test_no_column_is_called_as_another_one_was():
    assert called("Maße", "Masse", "masse") == [("masse_3", "mae"), ("masse", None), ("masse_2", None)]
    assert called("Øre", "Re") == [("ore", "re"), ("re_2", None)]
    assert called("Øre", taken=["ore"]) == [("ore_2", "re")]
    made = [name for pair in called("Ø", "ø", "column", "o", "O", "Øl", "L") for name in pair if name]
    assert len(made) == len(set(made))


def test_a_package_spells_out_too_and_its_columns_keep_their_stored_rows(tmp_path):
    rows = "Straße,Øre\n1,2\n"
    (tmp_path / "a.csv").write_text(rows, encoding="utf-8")
    fields = [{"name": "Straße", "type": "string"}]
    package = {"name": "x", "resources": [{"name": "Maße", "path": "a.csv", "schema": {"fields": fields}}]}
    (tmp_path / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")
    assert adopt(tmp_path)
    columns = yaml.safe_load((tmp_path / "tables/masse/columns.yaml").read_text(encoding="utf-8"))["columns"]
    assert {name: one["formerly"] for name, one in columns.items()} == {"strasse": ["strae"], "ore": ["re"]}
    assert (tmp_path / "tables/masse/a.csv").read_text(encoding="utf-8") == "strasse,ore\n1,2\n"
    reasons = [one["reason"] for one in json.loads((tmp_path / "import.json").read_text(encoding="utf-8"))["remarks"]]
    assert "'Maße' is called 'masse'; where it is stored as 'mae', call it so" in reasons
    assert "column 'Straße' is called 'strasse'; where it is stored as 'strae', it is renamed" in reasons


def test_a_column_that_the_package_does_not_describe_is_not_called_as_a_described_one_was(tmp_path):
    (tmp_path / "a.csv").write_text("Re,Øre\n1,2\n", encoding="utf-8")
    package = {"name": "x", "resources": [{"name": "a", "path": "a.csv", "schema": {"fields": [{"name": "Øre"}]}}]}
    (tmp_path / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")
    assert adopt(tmp_path)
    assert (tmp_path / "tables/a/a.csv").read_text(encoding="utf-8").startswith("re_2,ore\n")
