import shutil
from pathlib import Path

import pytest

from lakehouse.archive.fair import CHECKS, DESCRIBE_FIRST
from lakehouse.archive.fair_page import render
from lakehouse.archive.reports.groups import next_steps
from lakehouse.archive.rulebook import FairRule, fair_rules

# The indicators of the model by priority, as its specification lists them (doi:10.15497/rda00050).
ESSENTIAL = """F1-01M F1-01D F1-02M F1-02D F2-01M F3-01M F4-01M A1-02M A1-02D A1-03M A1-03D A1-04M A1-04D A1.1-01M
    A2-01M R1-01M R1.1-01M R1.3-01M R1.3-01D R1.3-02M"""
IMPORTANT = """A1-01M A1-05D A1.1-01D I1-01M I1-01D I1-02M I1-02D I2-01M I3-01M I3-03M R1.1-02M R1.1-03M R1.2-01M
    R1.3-02D"""
USEFUL = "A1.2-01D I2-01D I3-01D I3-02M I3-02D I3-04M R1.2-02M"
# As metrics_v0.8.yaml of F-UJI names them, and FsF-A2-01M, which its specification has and it no longer asks.
FUJI = """FsF-F1-01MD FsF-F1-02MD FsF-F2-01M FsF-F3-01M FsF-F4-01M FsF-A1-01M FsF-A1-02MD FsF-A1.1-01MD FsF-A1.2-01MD
    FsF-A2-01M FsF-I1-01M FsF-I2-01M FsF-I3-01M FsF-R1-01M FsF-R1.1-01M FsF-R1.2-01M FsF-R1.3-01M FsF-R1.3-02D"""
POINTS = {"essential": 3, "important": 2, "useful": 1}


@pytest.mark.parametrize(
    ("priority", "names"), [("essential", ESSENTIAL), ("important", IMPORTANT), ("useful", USEFUL)]
)
def test_every_indicator_of_the_model_is_there_with_its_priority(priority, names):
    known = {name.removeprefix("RDA-") for name, rule in fair_rules().items() if rule.priority == priority}
    assert known == set(names.split())


def test_there_are_41_indicators_and_every_f_uji_metric_is_matched():
    rules = fair_rules()
    assert len(rules) == 41
    assert all(name.startswith(f"RDA-{rule.principle}") for name, rule in rules.items())
    assert {rule.fuji for rule in rules.values()} - {None} == set(FUJI.split())


def test_the_page_s_table_is_current():
    page = (Path(__file__).parents[3] / "docs" / "flow" / "fair.md").read_text(encoding="utf-8")
    assert page == render(page), "run `lakehouse docs`"
    for name, rule in fair_rules().items():
        assert f"| {name} | " in page
        assert rule.question in page


def test_points_follow_the_priority_and_every_check_is_used():
    judged = [rule for rule in fair_rules().values() if rule.check is not None]
    assert {rule.check for rule in judged} == set(CHECKS)
    assert all(rule.points == POINTS[rule.priority] for rule in judged)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"check": "licence_known"},
        {"check": "licence_known", "points": 1},
        {"check": "licence_known", "points": 1, "next_action": "Do.", "after_publication": "Both."},
    ],
)
def test_an_indicator_is_judged_in_exactly_one_way(given):
    with pytest.raises(ValueError, match="either a check"):
        FairRule(principle="F", priority="useful", question="?", **given)


def test_what_no_folder_can_show_is_not_counted_and_says_what_answers_it(dataset, judged):
    report = judged(dataset)
    later = {i.indicator: i for i in report.fair if i.verdict == "after publication"}
    assert set(later) == {name for name, rule in fair_rules().items() if rule.check is None}
    assert len(later) == 12
    for name, indicator in later.items():
        assert (indicator.points, indicator.max_points, indicator.next_action) == (0, 0, "")
        assert indicator.evidence == fair_rules()[name].after_publication


def test_every_point_that_is_missing_has_a_next_action(dataset, judged):
    report = judged(dataset)
    assert 0 < report.fair_score < 1
    for indicator in report.fair:
        assert 0 <= indicator.points <= indicator.max_points
        assert bool(indicator.next_action) == (indicator.points < indicator.max_points)
        assert indicator.evidence
        counted = indicator.max_points > 0
        assert counted == (indicator.verdict in ("met", "partly met", "not met"))
        assert (indicator.verdict == "met") == (counted and indicator.points == indicator.max_points)


def test_without_a_description_nothing_is_reached_and_everything_counted(dataset, judged):
    whole = judged(dataset)
    (dataset / "dataset.yaml").unlink()
    report = judged(dataset)
    assert report.fair_score == 0
    assert sum(i.max_points for i in report.fair) >= sum(i.max_points for i in whole.fair)
    assert {i.verdict for i in report.fair} == {"not met", "after publication"}


def indicator_of(report, name):
    return next(i for i in report.fair if i.indicator == f"RDA-{name}")


@pytest.mark.parametrize(
    "lines",
    [
        "keywords: [school]",
        "publisher: A school",
        "source_url: https://example.org/data",
        "terms: {access: open}",
        "related: [{identifier: 10.5072/x, relation: Cites}]",
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


def test_fair_is_not_open_but_a_licence_of_ones_own_is_less_reusable(dataset, judged):
    path = dataset / "dataset.yaml"
    whole = path.read_text()
    scores = {}
    for licence in ("CC-BY-4.0", "CC-BY-NC-4.0", "LicenseRef-ours"):
        path.write_text(whole.replace("CC-BY-4.0", licence))
        scores[licence] = judged(dataset).fair_score
    assert scores["CC-BY-4.0"] == scores["CC-BY-NC-4.0"] > scores["LicenseRef-ours"]


@pytest.mark.parametrize(
    ("address", "points"),
    [
        ("https://doi.org/10.5281/zenodo.1", 3),
        ("https://hdl.handle.net/1/2", 3),
        ("https://w3id.org/set", 3),
        ("https://example.org/10.5281/zenodo.1", 1.5),
    ],
)
def test_a_persistent_identifier_counts_more_than_an_address(dataset, judged, address, points):
    with (dataset / "dataset.yaml").open("a") as stream:
        stream.write(f"source_url: {address}\n")
    assert indicator_of(judged(dataset), "F1-01D").points == points


def test_a_doi_of_the_same_data_in_related_counts_and_one_of_a_paper_does_not(dataset, judged):
    path = dataset / "dataset.yaml"
    whole = path.read_text()
    for relation, points in (("IsIdenticalTo", 3), ("IsDescribedBy", 0)):
        path.write_text(f"{whole}related: [{{identifier: 'doi:10.5281/zenodo.1', relation: {relation}}}]\n")
        assert indicator_of(judged(dataset), "F1-01D").points == points


def test_columns_with_faults_are_named_in_the_share(dataset, judged):
    assert indicator_of(judged(dataset), "I1-02D").verdict == "met"
    path = dataset / "tables/rooms/rooms.csv"
    path.write_text(path.read_text().replace("50.5", "wide"))
    indicator = indicator_of(judged(dataset), "I1-02D")
    assert indicator.verdict == "partly met"
    assert indicator.evidence == "8 of 9 columns hold"


def test_links_between_tables_do_not_apply_to_one_table(dataset, judged):
    assert indicator_of(judged(dataset), "I3-01D").verdict == "met"
    assert indicator_of(judged(dataset), "I3-02D").verdict == "met"
    shutil.rmtree(dataset / "tables" / "lessons")
    report = judged(dataset)
    assert {indicator_of(report, name).verdict for name in ("I3-01D", "I3-02D", "I2-01D")} == {"does not apply"}


def test_without_a_readable_description_the_next_action_is_to_mend_it(dataset, judged):
    (dataset / "dataset.yaml").write_text('eds_version: "1.0"\nname: [\n', encoding="utf-8")
    steps = next_steps(judged(dataset))
    assert [step.next_action for step in steps] == [DESCRIBE_FIRST]


@pytest.mark.parametrize(
    ("line", "wrong", "lost"),
    [
        ('version: "1"', "version: 1.10", {"F1-02D"}),
        ("licence: CC-BY-4.0", "licence: 4", {"R1.1-01M", "R1.1-02M", "R1.1-03M", "I2-01M"}),
        ("keywords: [rooms]", "keywords: [rooms, '']", {"F2-01M"}),
        ("terms: {access: registered}", "terms: {access: some}", {"A1-01M"}),
    ],
)
def test_a_field_at_fault_takes_away_its_own_points_alone(dataset, judged, line, wrong, lost):
    path = dataset / "dataset.yaml"
    path.write_text(path.read_text() + "keywords: [rooms]\nterms: {access: registered}\n")
    sound = {i.indicator: i.points for i in judged(dataset).fair}
    path.write_text(path.read_text().replace(line, wrong))
    found = {i.indicator: i.points for i in judged(dataset).fair}
    of_faults = {f"RDA-{name}" for name in ("A1-05D", "I1-01M", "R1.3-01M", "R1.3-01D")}
    assert {name for name in sound if found[name] < sound[name]} - of_faults == {f"RDA-{name}" for name in lost}


def test_a_next_action_stands_once_where_it_gains_most(dataset, judged):
    steps = next_steps(judged(dataset))
    assert len(steps) > 2
    assert len({step.next_action for step in steps}) == len(steps)
    assert sorted(steps, key=lambda step: step.points - step.max_points) == steps
