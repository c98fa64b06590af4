"""Searching: words, facets, order, pages, bounds."""

import random
from datetime import UTC, datetime

import pytest

from lakehouse.catalogue.holdings import Holdings, Version
from lakehouse.catalogue.index import FACETS, Asked, Entry, SearchIndex, band, facet_values

DRAW = random.Random(3)
LICENCES, WORDS = ("CC-BY-4.0", "CC0-1.0", "MIT"), ("alpha", "beta", "gamma", "delta")


def row(number, **more):
    return {
        "dataset": f"set_{number}",
        "dataset_version": "1",
        "title": f"{DRAW.choice(WORDS)} title {number}",
        "description": " ".join(DRAW.choices(WORDS, k=5)),
        "keywords": f'["{DRAW.choice(WORDS)}", "k{number % 5}"]',
        "creators": '["A School"]',
        "publisher": None,
        "licence": DRAW.choice(LICENCES),
        "first_year": 2000 + number % 7,
        "last_year": 2003 + number % 7,
        "access": DRAW.choice(("open", "restricted")),
        "personal": DRAW.random() < 0.5,
        "fair_score": DRAW.random(),
        "dataset_identifier": f"ark:99999/d1{number}",
        "version_identifier": f"ark:99999/v1{number}",
        "saved_at": datetime(2026, 1, 1, number % 24, tzinfo=UTC),
        "variables": "pupil_id mark",
        **more,
    }


def index_of(rows):
    return SearchIndex(Holdings(1, "", {one["dataset"]: (Version(one),) for one in rows}))


ROWS = [row(number) for number in range(120)]
INDEX = index_of(ROWS)


def names(found):
    return [entry.dataset for entry in found.entries]


def belongs(one, chosen):
    values = {}
    for facet, value in facet_values(Entry(one["dataset"], Version(one), 1)):
        values.setdefault(facet, set()).add(value)
    return all(set(wanted) & values.get(facet, set()) for facet, wanted in chosen.items())


@pytest.mark.parametrize("seed", range(30))
def test_facets_filter_and_count_as_a_plain_loop_does(seed):
    draw = random.Random(seed)
    chosen = {}
    for facet in draw.sample(FACETS, draw.randint(0, 3)):
        values = sorted({v for one in ROWS for f, v in facet_values(Entry("", Version(one), 1)) if f == facet})
        chosen[facet] = tuple(draw.sample(values, min(len(values), draw.randint(1, 2))))
    found = INDEX.search(Asked(chosen=chosen, size=100, sort="title"))
    expected = [one for one in ROWS if belongs(one, chosen)]
    assert found.total == len(expected)
    assert set(names(found)) <= {one["dataset"] for one in expected}
    for facet in FACETS:
        others = {name: values for name, values in chosen.items() if name != facet}
        for choice in found.facets[facet]:
            left = [one for one in ROWS if belongs(one, {**others, facet: (choice.value,)})]
            assert choice.count == len(left), (facet, choice)
            assert choice.chosen == (choice.value in chosen.get(facet, ()))


def test_choices_that_are_equally_frequent_stand_by_the_alphabet_whatever_their_case():
    index = index_of([row(1, keywords='["Python", "teaching", "art", "United States"]')])
    shown = [choice.value for choice in index.search(Asked()).facets["keyword"]]
    assert shown == ["art", "Python", "teaching", "United States"]


def test_every_word_must_begin_a_word():
    index = index_of(
        [row(n, title=t, creators="[]") for n, t in ((1, "School of arts"), (2, "Preschool"), (3, "Scholarly marks"))]
    )
    assert sorted(names(index.search(Asked("sch")))) == ["set_1", "set_3"]
    assert names(index.search(Asked("SCHOLA mark"))) == ["set_3"]
    assert names(index.search(Asked("school arts"))) == ["set_1"]


def test_the_title_counts_more_than_the_description():
    index = index_of([row(1, title="x", description="geology"), row(2, title="Geology", description="x")])
    assert names(index.search(Asked("geology"))) == ["set_2", "set_1"]


@pytest.mark.parametrize("words", ["emigre", "ÉMIGRÉ", "émigré"])
def test_accents_and_case_do_not_matter(words):
    assert names(index_of([row(1, title="Émigré")]).search(Asked(words))) == ["set_1"]


@pytest.mark.parametrize("words", ['"', "a OR b", "NEAR(", "title:x", "*", "-", "')--", "^", "\0", "{}", "AND", "+ +"])
def test_the_search_language_is_out_of_reach(words):
    INDEX.search(Asked(words))  # nothing raises


def test_names_and_columns_are_found_by_their_parts():
    index = index_of([row(1, dataset="college_scorecard", variables="earnings_med unit_id")])
    for words in ("scorecard", "college_scorecard", "earnings", "earnings_med", "99999"):
        assert names(index.search(Asked(words))) == ["college_scorecard"], words


def test_only_signs_find_nothing():
    assert INDEX.search(Asked("???")).total == 0


@pytest.mark.parametrize("sort", ["newest", "title", "fair", "relevance"])
def test_pages_join_up_to_everything_once(sort):
    pages = [names(INDEX.search(Asked("alpha", sort=sort, page=page, size=7))) for page in range(1, 30)]
    whole = [name for page in pages for name in page]
    assert len(whole) == len(set(whole)) == INDEX.search(Asked("alpha")).total


def test_orders():
    by = {one["dataset"]: one for one in ROWS}
    titles = [by[name]["title"].casefold() for name in names(INDEX.search(Asked(sort="title", size=100)))]
    assert titles == sorted(titles)
    scores = [by[name]["fair_score"] for name in names(INDEX.search(Asked(sort="fair", size=100)))]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("score", "name"), [(1.0, "90 %"), (0.9, "90 %"), (0.899, "75"), (0.5, "50"), (0, "below"), (None, "below")]
)
def test_bands(score, name):
    assert band(score).startswith(name)


def test_an_empty_archive_can_be_searched():
    assert SearchIndex(Holdings()).search(Asked("x", page=3)).total == 0


def test_words_that_very_many_hold_put_their_titles_first(monkeypatch):
    monkeypatch.setattr("lakehouse.catalogue.index.MOST_WEIGHED", 2)
    rows = [row(n, title="x", description="geology", keywords="[]", variables="") for n in range(4)]
    rows.append(
        row(9, title="Geology", description="x", keywords="[]", variables="", saved_at=datetime(2020, 1, 1, tzinfo=UTC))
    )
    found = index_of(rows).search(Asked("geology"))
    assert (found.total, names(found)) == (5, ["set_9", "set_3", "set_2", "set_1", "set_0"])
