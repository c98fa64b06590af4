"""Promises of labelled texts: every bad row is named, and no group stands in two splits."""

import pyarrow as pa
import pytest

from models.errors import LabelsError
from models.labelled import LabelledText, label_names, labelled_from, read_ag_news, split_of


def table(**columns):
    return pa.table(columns)


def of(split, label="a", group=None, text=None):
    return LabelledText("1", text or f"{split} {label}", label, group or f"{split} {label}", split)


def test_a_group_is_never_split_and_the_split_is_stable():
    rows = table(
        text=[f"text {at}" for at in range(300)], kind=["a", "b", "c"] * 100, unit=[at // 10 for at in range(300)]
    )
    read = labelled_from(rows, text="text", label="kind", group="unit")
    splits = {each.group: {one.split for one in read if one.group == each.group} for each in read}
    assert all(len(found) == 1 for found in splits.values())
    assert len(splits) == 30
    assert [split_of(f"m{at}") for at in range(5)] == ["train", "train", "test", "test", "test"]


def test_shares_are_about_as_asked():
    drawn = [split_of(str(at)) for at in range(10_000)]
    assert drawn.count("test") == pytest.approx(2000, abs=200)
    assert drawn.count("validation") == pytest.approx(1500, abs=200)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"words": ["a"], "label": ["x"]}, r"lacks the columns \['text'\]"),
        ({"text": ["a", " "], "label": ["x", "y"]}, "row 2: its text is empty"),
        ({"text": ["a", None], "label": ["x", "y"]}, "row 2: its text is empty"),
        ({"text": ["a", "b"], "label": ["x", None]}, "row 2: its label is empty"),
        ({"text": ["a", "b"], "label": ["x", ""]}, "row 2: its label is empty"),
        ({"text": ["a", "b"], "label": ["x", "y"], "group": ["g", None]}, "row 2: its group is empty"),
        ({"text": ["a", "b"], "label": ["x", "y"], "group": [" ", "g"]}, "row 1: its group is empty"),
        ({"text": [""] * 9, "label": ["x"] * 9}, "and 4 more"),
        ({"text": [1, 2], "label": ["x", "y"]}, "row 1: its text is '1', which is no text"),
    ],
)
def test_bad_rows_are_named(columns, said):
    with pytest.raises(LabelsError, match=said):
        labelled_from(table(**columns), text="text", label="label", group="group" if "group" in columns else None)


def test_a_split_of_its_own_is_taken_and_checked():
    rows = table(text=["a", "b"], label=["x", "y"], part=["test", "dev"])
    with pytest.raises(LabelsError, match="row 2: its split is 'dev'"):
        labelled_from(rows, text="text", label="label", split="part")
    assert labelled_from(rows.slice(0, 1), text="text", label="label", split="part")[0].split == "test"


def test_what_cannot_be_learned_from_is_refused():
    whole = [of("train", "a"), of("train", "b"), of("validation"), of("test")]
    assert label_names(whole) == ("a", "b")
    with pytest.raises(LabelsError, match="no texts in split validation, test"):
        label_names(whole[:2])
    with pytest.raises(LabelsError, match=r"labels \['c'\], which are held out"):
        label_names([*whole, of("test", "c")])
    with pytest.raises(LabelsError, match="group 'test a' stands in the splits"):
        label_names([*whole, of("train", "a", group="test a", text="new")])
    with pytest.raises(LabelsError, match="text 'test a' stands in the splits"):
        label_names([*whole, of("train", "a", group="new", text="test a")])


def test_ag_news_is_read_as_its_authors_give_it(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text('"3","Oil, ""again""","Prices rise\\nas told"\n"4","Chips","Faster"\n')
    read = read_ag_news(path, "train")
    assert [(each.label, each.text) for each in read] == [
        ("Business", 'Oil, "again" Prices rise nas told'),
        ("Sci/Tech", "Chips Faster"),
    ]
    assert {each.split for each in read} == {"train"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'"5","a","b"\n', "row 1 is '5,a,b', not class 1 to 4, title, description"),
        (b'"1","a","b"\n"2","only a title"\n', "row 2 is"),
        (b'"1","",""\n', "row 1 is"),
        (b"Class Index,Title,Description\n", "row 1 is 'Class Index"),
        (b"", "holds no articles"),
        (b'"1","a\xff","b"\n', "cannot read AG_NEWS"),
        (b'"1","never closed', "cannot read AG_NEWS"),
    ],
)
def test_bad_rows_of_ag_news_are_named(tmp_path, content, said):
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(LabelsError, match=said):
        read_ag_news(path)


def test_a_missing_file_of_ag_news_is_said(tmp_path):
    with pytest.raises(LabelsError, match="cannot read AG_NEWS"):
        read_ag_news(tmp_path / "train.csv")
