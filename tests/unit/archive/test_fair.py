import pytest

from lakehouse.archive.fair import CHECKS
from lakehouse.archive.rulebook import fair_rules


def test_there_are_indicators_of_every_principle_and_each_has_its_check():
    rules = fair_rules()
    assert len(rules) >= 15
    assert {rule.principle for rule in rules.values()} == {"F", "A", "I", "R"}
    assert {rule.check for rule in rules.values()} == set(CHECKS)
    assert all(name.startswith(f"RDA-{rule.principle}") for name, rule in rules.items())


def test_every_point_that_is_missing_has_a_next_action(dataset, judged):
    report = judged(dataset)
    assert 0 < report.fair_score < 1
    for indicator in report.fair:
        assert 0 <= indicator.points <= indicator.max_points
        assert bool(indicator.next_action) == (indicator.points < indicator.max_points)
        assert indicator.evidence


@pytest.mark.parametrize(
    "lines",
    [
        "keywords: [school]",
        "publisher: A school",
        "source_url: https://example.org/data",
        "contact: {name: Office, email: office@example.org}",
        "creators: [{name: A school, identifier: https://ror.org/x}]",
        "derived_from: [a register]",
        "provenance: {how_made: counted, software: [{name: sheet, version: '1'}]}",
    ],
)
def test_saying_more_raises_the_score(dataset, judged, lines):
    before = judged(dataset).fair_score
    with (dataset / "dataset.yaml").open("a") as stream:
        stream.write(lines + "\n")
    assert judged(dataset).fair_score > before


def test_a_closed_licence_lowers_the_score(dataset, judged):
    before = judged(dataset).fair_score
    path = dataset / "dataset.yaml"
    path.write_text(path.read_text().replace("CC-BY-4.0", "CC-BY-NC-4.0"))
    assert judged(dataset).fair_score < before
