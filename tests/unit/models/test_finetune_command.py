"""`lakehouse finetune`: from a file to a classifier, its figures, its answers, and one exit code for each mistake."""

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.cli import main
from dagster_project.finetuning import predicted
from dagster_project.labelled_files import Where, read_labelled, read_news
from lakehouse.errors import PurposeError
from models.classifier_trials import SHIPPED
from models.errors import LabelsError
from tests.unit.archive.conftest import dataset  # noqa: F401  a fixture
from tests.unit.models.test_finetune import made
from tests.unit.models.test_instruct import made as asked

SUBJECTS = SHIPPED.with_name("subject_trials.yaml")
COLUMNS = ("--label", "subject", "--group", "module", "--split", "part", "--threads", "1")


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Call `lakehouse finetune` from an empty folder and return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            main(["finetune", *(str(argument) for argument in arguments)])
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


@pytest.fixture
def paragraphs(tmp_path):
    path = tmp_path / "paragraphs.jsonl"
    rows = [{"text": each.text, "subject": each.label, "module": each.group, "part": each.split} for each in made()]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"context": 24, "epochs": 2, "base_rate": 0.002, "head_rate": 0.01, "ngram_buckets": 512}')
    return path


def test_a_file_becomes_a_classifier_that_is_measured_and_answers(command, paragraphs, recipe, checkpoint, tmp_path):
    made_so = ("--base", checkpoint, "--recipe", recipe, "--out", "subjects", "--rows", "rows.parquet")
    code, out, err = command("train", paragraphs, *COLUMNS, *made_so)
    assert code == 0, out + err
    assert "epoch 2 of 2: loss " in err
    assert "wrote subjects: 2 labels" in out
    assert "accuracy on all: " in out
    assert "(60 texts of 12)" in out
    rows = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert {row["kind"] for row in rows} == {"figure", "trial"}
    assert {row["name"] for row in rows} >= {"accuracy", "macro_f1", "calibration_error", "case_does_not_matter"}
    beside = [line for line in out.splitlines() if "counted_words" in line]
    assert [line.partition(" ")[0].rstrip(":") for line in beside] == [
        "accuracy_of_counted_words",
        "gain_over_counted_words",
        "counted_words_are_not_surely_better",
    ]
    without = "".join(f"{line}\n" for line in out.splitlines()[1:] if line not in beside)
    assert command("evaluate", "subjects", paragraphs, *COLUMNS)[1] == without
    code, out, _ = command("predict", "subjects", "river rain fish", "", "--threads", "1")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, answers[0]["label"], len(answers)) == (0, "water", 2)
    assert sum(answers[1]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "prediction" not in answers[0], "a folder is no version"
    (named,) = predicted(tmp_path / "subjects", "subjects-0001", ["river rain fish"], threads=1)
    digest = hashlib.sha256(b"river rain fish").hexdigest()
    assert json.loads(named) == answers[0] | {"prediction": f"subjects-0001/water/{digest[:12]}"}
    with pytest.raises(LabelsError, match="text 2 has a lone surrogate"):
        next(predicted(tmp_path / "subjects", "subjects-0001", ["a", "\udc80"], threads=1))
    code, _, err = command("train", paragraphs, *COLUMNS, *made_so)
    assert code == 58
    assert "subjects is there already" in err


def test_a_failed_test_that_stops_promotion_ends_with_its_status(command, paragraphs, recipe, checkpoint, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "turned: {kind: functionality, at_least: 0.9, stops: promotion, owner: me, means: why, "
        "examples: [{text: river rain fish, label: law}]}"
    )
    asked = ("--base", checkpoint, "--recipe", recipe, "--out", "subjects", "--trials", "mine.yaml")
    code, out, err = command("train", paragraphs, *COLUMNS, *asked)
    assert code == 53
    assert "turned: 0.000, at least 0.9: FAILED (stops promotion, me)" in out
    assert "do not use this classifier" in err


def test_a_fault_of_measuring_does_not_lose_the_classifier(
    command, paragraphs, recipe, checkpoint, tmp_path, monkeypatch
):
    def broken(*_, **__):
        raise MemoryError

    monkeypatch.setattr("dagster_project.finetuning.evaluate_classifier", broken)
    with pytest.raises(MemoryError):
        command("train", paragraphs, *COLUMNS, "--base", checkpoint, "--recipe", recipe, "--out", "subjects")
    monkeypatch.undo()
    assert "figures" not in json.loads((tmp_path / "subjects/finetuning.json").read_text())
    monkeypatch.chdir(tmp_path)
    assert command("predict", "subjects", "river rain fish", "--threads", "1")[0] == 0


def test_mistakes_end_with_their_own_status_and_write_nothing(command, paragraphs, recipe, checkpoint, tmp_path):
    base = ("--base", checkpoint, "--recipe", recipe, "--out", "subjects")
    (tmp_path / "twice.csv").write_text("text,subject,module,subject,part\nriver,water,1,law,train\n")
    for arguments, code, said in (
        (("nowhere.jsonl", *COLUMNS, *base), 58, "cannot read texts"),
        (("paragraphs.txt", *COLUMNS, *base), 58, "is none of .csv"),
        ((paragraphs, "--label", "topic", *base), 58, r"lacks the columns ['topic']"),
        (
            (paragraphs, *COLUMNS, "--base", tmp_path / "no", "--out", "subjects"),
            42,
            "neither recipe.json nor config.json",
        ),
        (
            (paragraphs, *COLUMNS, "--base", checkpoint, "--out", "no/subjects"),
            58,
            "there is no folder for no/subjects",
        ),
        (("twice.csv", *COLUMNS, *base), 58, "names the columns ['subject'] more than once; rename"),
        ((paragraphs, *COLUMNS, *base, "--recipe", "nowhere.json"), 45, "cannot read a recipe"),
        ((paragraphs, *COLUMNS, *base, "--trials", "nowhere.yaml"), 53, "cannot read tests"),
        ((paragraphs, *COLUMNS, *base, "--trials", SUBJECTS), 53, "tests name the labels"),
        ((paragraphs, *COLUMNS, *base, "--rows", "no/rows.parquet"), 53, "there is no folder"),
        ((paragraphs, *COLUMNS, *base, "--rows", "."), 53, "is a folder"),
    ):
        ended, out, err = command("train", *arguments)
        assert (ended, out) == (code, ""), err
        assert said in err
    assert command("predict", "subjects", "a")[0] == 42
    assert [path.name for path in tmp_path.iterdir() if "subjects" in path.name] == []


@pytest.mark.parametrize("form", ["csv", "jsonl.gz", "parquet"])
def test_every_form_of_file_gives_the_same_texts(tmp_path, form):
    import gzip

    from pyarrow import csv

    labels = ["001", "1", "true", "True", "1e1", "10", "2024-01-01", "2024-01-01 00:00:00", "NA"]
    texts = ['one, "two"\nthree', *(f"text {at}" for at in range(1, len(labels)))]
    rows = pa.table({"text": texts, "label": labels, "unit": labels})
    path = tmp_path / f"texts.{form}"
    if form == "csv":
        csv.write_csv(rows, path)
    elif form == "parquet":
        pq.write_table(rows, path)
    else:
        path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows.to_pylist()).encode()))
    read = read_labelled(path, Where(group="unit"))
    assert [(each.text, each.label, each.group) for each in read] == list(zip(texts, labels, labels, strict=True))


@pytest.mark.parametrize("label", ["001", "true", "1e1", "2024-01-01"])
def test_labels_of_one_kind_stay_as_they_are_written(tmp_path, label):
    (tmp_path / "texts.csv").write_text(f"text,label\none,{label}\ntwo,{label}\n")
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps({"text": at, "label": label}) for at in "ab"))
    for form in ("csv", "jsonl"):
        assert {each.label for each in read_labelled(tmp_path / f"texts.{form}", Where())} == {label}


def test_json_values_that_are_no_strings_are_labels_as_they_are_spelled(tmp_path):
    path = tmp_path / "texts.jsonl"
    spelled = ["1", "1.0", "1e1", "true", "false", "-0"]
    path.write_text("\n".join(f'{{"text": "a {at}", "label": {each}}}\n' for at, each in enumerate(spelled)))
    assert [each.label for each in read_labelled(path, Where())] == spelled


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": 5, "label": "x"}', "line 2: its text is '5', which is no text"),
        ('{"text": "a", "label": ["x"]}', r'line 2: its label is \["x"\], not one value'),
        ('{"text": "a", "label": "\\ud800"}', "line 2: its label has a lone surrogate"),
        ('{"text": "\\ud800", "label": "x"}', "line 2: its text has a lone surrogate"),
        ('{"text": "a\\u0000", "label": "x"}', "line 2: its text has a NUL"),
        ('{"text": "a", "label": null}', "row 2: its label is empty"),
        ('{"text": "a", "label": NaN}', "line 2 is no JSON: NaN is no value"),
        ('["a", "x"]', "line 2 holds no JSON object"),
        ('{"text": ' + "[" * 100_000, "cannot read texts"),
        ('{"text"', "line 2 is no JSON"),
    ],
)
def test_bad_lines_of_json_are_named(tmp_path, line, said):
    path = tmp_path / "texts.jsonl"
    path.write_text(f'{{"text": "a", "label": "x"}}\n{line}\n')
    with pytest.raises(LabelsError, match=said):
        read_labelled(path, Where())


@pytest.mark.parametrize("name", ["texts.csv", "texts.jsonl", "texts.jsonl.gz", "texts.parquet"])
def test_a_broken_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b\x00{,\x00")
    with pytest.raises(LabelsError, match=r"cannot read texts|has no rows"):
        read_labelled(tmp_path / name, Where())


@pytest.mark.parametrize(("name", "body"), [("texts.jsonl", ""), ("texts.csv", "text,label\n")])
def test_a_file_without_rows_is_said_to_be_one(tmp_path, name, body):
    (tmp_path / name).write_text(body)
    with pytest.raises(LabelsError, match=f"{name} has no rows; add some"):
        read_labelled(tmp_path / name, Where())


def test_a_dataset_gives_the_texts_of_a_table_that_its_terms_permit(dataset):  # noqa: F811
    where = Where(table="lessons", text="code", label="subject", group="room")
    with pytest.raises(LabelsError, match="row 3: its text is empty"):
        read_labelled(dataset, where)
    rows = dataset / "tables/lessons/lessons.csv"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:3]))
    read = read_labelled(dataset, where)
    assert [(each.text, each.label, each.group) for each in read] == [("A1", "maths", "10"), ("B2", "art", "11")]
    with pytest.raises(LabelsError, match="has the tables"):
        read_labelled(dataset, Where(table="cellars"))
    described = dataset / "dataset.yaml"
    described.write_text(described.read_text() + "terms:\n  forbidden: [model_training]\n")
    with pytest.raises(PurposeError, match="does not permit model_training with lessons"):
        read_labelled(dataset, where)


def test_a_file_of_a_dataset_is_not_read_without_its_terms(dataset, tmp_path):  # noqa: F811
    rows = next(dataset.glob("tables/lessons/*.csv"))
    (tmp_path / "elsewhere.csv").symlink_to(rows)
    for path in (rows, tmp_path / "elsewhere.csv"):
        with pytest.raises(LabelsError, match="part of a dataset, whose terms count"):
            read_labelled(path, Where(text="code", label="subject"))
    with pytest.raises(LabelsError, match="part of a dataset, whose terms count"):
        read_news(rows)


def test_ag_news_keeps_its_authors_test_and_no_text_of_it_is_learned(tmp_path):
    (tmp_path / "train.csv").write_text("".join(f'"{at % 4 + 1}","title {at}","words"\n' for at in range(50)))
    (tmp_path / "test.csv").write_text('"1","title 0","words"\n"2","new","words"\n')
    read = read_news(tmp_path)
    assert {each.split for each in read} == {"train", "validation", "test"}
    assert [each.text for each in read if each.split == "test"] == ["title 0 words", "new words"]
    assert len(read) == 51


def test_rows_of_instructions_become_a_model_that_answers(command, checkpoint, tmp_path):
    rows = [
        {"instruction": one.instruction, "input": "", "response": one.response, "part": one.split} for one in asked()
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "instruct.json").write_text('{"context": 64, "batch": 8, "epochs": 2, "base_rate": 0.005}')
    options = ("rows.jsonl", "--base", checkpoint, "--split", "part", "--threads", "1", "--out", "tutor")
    code, out, err = command("instruct", *options, "--recipe", "instruct.json")
    assert code == 0, out + err
    assert "epoch 2 of 2: loss " in err
    assert "wrote tutor: 24 rows learned" in out
    assert "gain_over_base on all: " in out
    figures = json.loads((tmp_path / "tutor" / "instruct.json").read_text())["figures"]
    whole = next(each for each in figures if (each["name"], each["slice"]) == ("gain_over_base", "all"))
    assert f"gain_over_base on all: {whole['value']:.4f} [" in out
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "states are gone"
    code, out, _ = command("answer", "tutor", asked()[0].instruction, "--most", "4", "--threads", "1")
    assert (code, json.loads(out).keys()) == (0, {"asked", "response"})
    for arguments, wanted, said in (
        (options, 58, "tutor is there already"),
        (("rows.jsonl", *options[1:-1], "other", "--response", "answer"), 58, r"lacks the columns ['answer']"),
        (("rows.jsonl", *options[1:-1], "other", "--input", "given"), 58, r"lacks the columns ['given']"),
        (("nowhere.csv", *options[1:-1], "other"), 58, "cannot read texts from nowhere.csv"),
    ):
        code, _, err = command("instruct", *arguments)
        assert (code, said in err) == (wanted, True), err
    assert not (tmp_path / "other").exists()
