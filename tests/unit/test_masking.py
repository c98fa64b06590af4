"""What a mask takes for a mention of a person, and what is somebody else's."""

import json

import pytest

from lakehouse.masking import Mask


@pytest.mark.parametrize(
    ("value", "text", "masked"),
    [
        ("11391", "| 11391 | x", "| [withdrawn] | x"),
        ("11391", "111391 or 11391.5 or a-11391", "111391 or 11391.5 or a-11391"),
        ("11391", "Zi\\n11391", "Zi\\n[withdrawn]"),
        ("2024", "taught in 2024", "taught in 2024"),
        ("ZQ77PLANT", "xxZQ77PLANTxx ZQ77PLANT2", "xxZQ77PLANTxx ZQ77PLANT2"),
        ("ZQ77PLANT", "x_ZQ77PLANT.txt, zq77plant's", "x_[withdrawn].txt, [withdrawn]'s"),
        ("student10", "student100, student10_a", "student100, [withdrawn]_a"),
        ("ann@x.org", "joann@x.org mary.ann@x.org ann@x.org.uk", None),
        ("Ann Example", '"\\u201cAnn Example\\u201d"', '"\\u201c[withdrawn]\\u201d"'),
        ("ann@x.org", "/?q=to+ann@x.org \\u003cann@x.org.Then", "/?q=to+[withdrawn] \\u003c[withdrawn].Then"),
        ("ann@x.org", "\x1b[31mann@x.org", "\x1b[31m[withdrawn]"),
        ("ann@x.org", "<ann@x.org> ann@x.org.txt ann@x.org.", "<[withdrawn]> [withdrawn].txt [withdrawn]."),
        ("ann@x.org", "mailto%3Aann%40x.org", "mailto%3A[withdrawn]"),
        ("washington", "washington_schools of washington", "washington_schools of [withdrawn]"),
        ("abc", "abc", "abc"),
        ("Zoë Doe", "/?q=Zo%C3%AB+Doe&page=2", "/?q=[withdrawn]&page=2"),
        ("a@b.org", "A@B.ORG", "[withdrawn]"),
        ("grüße99", json.dumps(["grüße99"]), '["[withdrawn]"]'),
        ("11391", '{"rows": 11391, "who": "11391"}', '{"rows": 11391, "who": "[withdrawn]"}'),
    ],
)
def test_a_mask_hides_the_person_and_nothing_else(value, text, masked):
    assert Mask((value,)).document(text) == (text if masked is None else masked)


@pytest.mark.parametrize(
    ("value", "name", "masked"),
    [
        ("ann@x.org", "essay_ann@x.org.mp4", "essay_[withdrawn].mp4"),
        ("ann@x.org", "joann@x.org.txt", "joann@x.org.txt"),
        ("washington", "washington_essay-2.docx", "[withdrawn]_essay-2.docx"),
        ("student10", "student100.txt", "student100.txt"),
        ("anna7", "x_anna7_essay.txt", "x_[withdrawn]_essay.txt"),
        ("mark", "mark_essay.txt", "mark_essay.txt"),
    ],
)
def test_in_names_of_files_signs_stand_between_words(value, name, masked):
    assert Mask((value,)).in_names.text(name) == masked


def test_a_strict_mask_leaves_identifiers_that_go_on():
    mask = Mask(("student10",)).strictly
    assert (
        mask.text("student10_2 student10.5 a-student10 (student10)")
        == "student10_2 student10.5 a-student10 ([withdrawn])"
    )
