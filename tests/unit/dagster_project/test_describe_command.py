"""`lakehouse describe` and `lakehouse validate` on the first day: bare files, empty folders, nothing there."""

import zipfile

import pytest

from dagster_project import describing, judging
from dagster_project.cli import main
from lakehouse.archive.drafting import draft_here
from lakehouse.archive.drafting_apart import Draft
from lakehouse.archive.landing import land
from lakehouse.archive.validate import validate as judge_here


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Call `lakehouse` from an empty folder and return exit code, stdout and stderr."""

    def here(source, into):
        place = str(into.absolute()) if into else None
        return Draft(**draft_here(str(source.absolute()), place, progress=lambda _: None))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "SILENT_SECONDS", 60)
    monkeypatch.setattr(judging, "judge_in_child", judge_here)
    monkeypatch.setattr(judging, "land_in_child", land)
    monkeypatch.setattr(describing, "draft_in_child", here)

    def call(*arguments):
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def test_a_bare_file_becomes_a_folder_and_is_never_written_over(command, tmp_path):
    (tmp_path / "marks.csv").write_text("pupil,points\n1,2\n2,3\n")
    code, out, err = command("describe", "marks.csv")
    assert (code, err) == (0, "")
    assert "next: fill in these lines, look at what is marked CHECK, then `lakehouse validate marks_dataset`" in out
    drafted = (tmp_path / "marks_dataset/dataset.yaml").read_bytes()
    code, out, err = command("describe", "marks.csv")
    assert (code, out) == (34, "")
    assert "marks_dataset is there already and stays as it is" in err
    assert (tmp_path / "marks_dataset/dataset.yaml").read_bytes() == drafted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["marks.csv", "marks_dataset"]


def test_the_lines_to_fill_in_are_named_with_what_to_write_there(command, tmp_path):
    (tmp_path / "marks.csv").write_text("pupil,points,hours\n1,2,3\n2,3,3\n")
    code, out, _err = command("describe", "marks.csv")
    assert code == 0
    dataset = (tmp_path / "marks_dataset/dataset.yaml").read_text().splitlines()
    assert dataset[4].startswith("title:")
    assert dataset[5].startswith("description:")
    assert {line[0] for line in dataset[7:16]} == {"#"}
    told = out.splitlines()
    assert told[1:5] == [
        "wrote dataset.yaml",
        "  line 5, title: what a person would search for",
        "  line 6, description: what the data are, of whom or what, collected how and why",
        "  lines 8-16, where it applies without the first #: licence, terms, creators, contact, keywords, language, "
        "temporal_coverage, provenance, subjects",
    ]
    columns = (tmp_path / "marks_dataset/tables/marks/columns.yaml").read_text().splitlines()
    places = [n for n, line in enumerate(columns, 1) if line.startswith('    description: ""')]
    assert f"  lines {', '.join(map(str, places))}, description: what it holds, in a sentence" in told


@pytest.mark.parametrize("verb", ["describe", "validate"])
def test_a_workbook_is_called_one_and_not_taken_for_an_archive(command, tmp_path, verb):
    with zipfile.ZipFile(tmp_path / "marks.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    code, out, err = command(verb, "marks.xlsx")
    assert (code != 0, out) == (True, "")
    assert "marks.xlsx is an Excel workbook; save each sheet as CSV (UTF-8)" in err


def test_files_of_other_programs_are_named_with_what_to_do_about_them(command, tmp_path):
    (tmp_path / "bare").mkdir()
    for name in ("pupils.xlsx", "marks.sav"):
        (tmp_path / "bare" / name).write_bytes(b"x")
    code, _out, err = command("describe", "bare")
    assert code == 19
    assert "pupils.xlsx was left out: it is an Excel workbook; save each sheet as CSV" in err
    (tmp_path / "bare/rooms.csv").write_text("room\n1\n")
    code, out, _err = command("describe", "bare")
    assert code == 0
    assert "note: marks.sav was left out: it is an SPSS file; export each table as CSV" in out


def test_a_folder_laid_out_gets_what_it_lacks_in_place(command, tmp_path):
    (tmp_path / "set/tables/marks").mkdir(parents=True)
    (tmp_path / "set/tables/marks/marks.csv").write_text("pupil,points\n1,2\n2,3\n")
    (tmp_path / "set/dataset.yaml").write_text("name: mine\n")
    code, out, err = command("describe", "set")
    assert (code, err) == (0, "")
    assert (tmp_path / "set/dataset.yaml").read_text() == "name: mine\n"
    assert (tmp_path / "set/tables/marks/columns.yaml").is_file()
    code, out, err = command("describe", "set")
    assert (code, out.splitlines()[0]) == (0, "nothing to draft: set has all its description files")
    code, out, err = command("describe", "set", "--out", "other")
    assert (code, out) == (34, "")


def test_nothing_is_left_of_a_description_that_fails(command, tmp_path):
    (tmp_path / "bare").mkdir()
    for arguments in (["bare"], ["absent"], ["bare", "--out", "new"]):
        code, out, err = command("describe", *arguments)
        assert (code, out) == (19, "")
        assert err.startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]


@pytest.mark.parametrize("name", ["marks.csv", "marks.parquet", "marks.csv.gz"])
def test_validating_a_bare_file_says_how_to_make_a_dataset_of_it(command, tmp_path, name):
    (tmp_path / name).write_bytes(b"pupil,points\n1,2\n")
    code, out, err = command("validate", name)
    assert (code, out) == (2, "")
    assert f"`lakehouse describe {name}`" in err


def test_validating_a_folder_of_bare_files_says_how_to_make_a_dataset_of_it(command, tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/marks.csv").write_text("pupil,points\n1,2\n")
    code, out, _err = command("validate", "bare")
    assert code == 1
    assert "DESCRIPTION_MISSING" in out
    assert "lakehouse describe" in out


def test_validating_an_empty_folder_or_nothing_is_clear(command, tmp_path):
    (tmp_path / "empty").mkdir()
    code, out, err = command("validate", "empty")
    assert code == 1
    assert "DESCRIPTION_MISSING" in out
    code, out, err = command("validate", "absent")
    assert (code, out) == (2, "")
    assert "absent is not there" in err


def test_a_misspelt_key_names_the_nearest(command, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/dataset.yaml").write_text('eds_version: "1.0"\nname: x\nversion: "1"\nlicense: CC0-1.0\n')
    code, out, _err = command("validate", "set")
    assert code == 1
    assert "Did you mean 'licence'?" in out
