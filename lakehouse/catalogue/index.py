"""The search over datasets: words in SQLite's full-text index, facets as sets of bits."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Literal

from lakehouse.catalogue.holdings import Holdings, Version

Sort = Literal["relevance", "newest", "title", "fair"]

FACETS = ("access", "licence", "keyword", "year", "fair", "personal")
BANDS = ((0.9, "90 % and more"), (0.75, "75 to 89 %"), (0.5, "50 to 74 %"), (0.0, "below 50 %"))
MOST_WORDS = 12
MOST_YEARS = 300
REMOVED = "removed"
# A word in the title says more about a dataset than one in its description.
WEIGHTS = {"title": 10.0, "name": 8.0, "keywords": 6.0, "creators": 3.0, "description": 2.0, "variables": 1.0}
SELECT = "SELECT rowid - 1 FROM words WHERE words MATCH ? ORDER BY bm25(words, {})"
MATCHED = "SELECT rowid - 1 FROM words WHERE words MATCH ?"
NOTHING = '""'
MOST_WEIGHED = 1_500


@dataclass(frozen=True, slots=True)
class Entry:
    """A dataset as the search shows it: its newest version, and how many there are."""

    dataset: str
    version: Version
    version_count: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A search: words, values chosen by facet, order, and which page."""

    words: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: Sort = "relevance"
    page: int = 1
    size: int = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet, how many results it would leave, and whether it is chosen."""

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One page of results, how many there are in all, and the facets' choices."""

    total: int
    entries: tuple[Entry, ...]
    facets: Mapping[str, tuple[Choice, ...]]


class SearchIndex:
    """All datasets of one release. Used from one thread at a time."""

    def __init__(self, holdings: Holdings) -> None:
        self._entries = [_entry(holdings, dataset) for dataset in holdings.versions]
        self._all = (1 << len(self._entries)) - 1
        self._bits: dict[str, dict[str, int]] = {facet: {} for facet in FACETS}
        for place, entry in enumerate(self._entries):
            for facet, value in facet_values(entry):
                self._bits[facet][value] = self._bits[facet].get(value, 0) | 1 << place
        self._orders = {sort: _ordered(self._entries, sort) for sort in ("newest", "title", "fair")}
        self._words = sqlite3.connect(":memory:", check_same_thread=False)
        self._fill()
        self._select = SELECT.format(", ".join(str(weight) for weight in WEIGHTS.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def search(self, asked: Asked) -> Found:
        """Return one page of the datasets that hold all the words and one chosen value of every facet."""
        match = _match(asked.words)
        matched = self._all if match is None else self._asked(MATCHED, match)
        masks = {facet: self._mask(facet, values) for facet, values in asked.chosen.items() if values}
        left = matched
        for mask in masks.values():
            left &= mask
        first = (asked.page - 1) * asked.size
        order = self._ranked(match, matched) if match and asked.sort == "relevance" else self._order(asked.sort)
        return Found(
            total=left.bit_count(),
            entries=tuple(self._entries[place] for place in _slice(order, left, first, asked.size)),
            facets={facet: self._choices(facet, matched, masks, asked.chosen.get(facet, ())) for facet in FACETS},
        )

    def close(self) -> None:
        """Give the index's memory back."""
        self._words.close()

    def _fill(self) -> None:
        columns = ", ".join(WEIGHTS)
        self._words.execute(
            f"CREATE VIRTUAL TABLE words USING fts5({columns}, content='', prefix='1 2 3',"
            " tokenize='unicode61 remove_diacritics 2')"
        )
        places = ", ".join("?" * len(WEIGHTS))
        self._words.executemany(
            f"INSERT INTO words(rowid, {columns}) VALUES (?, {places})",  # noqa: S608 - names from this file
            ((place + 1, *_searched(entry)) for place, entry in enumerate(self._entries)),
        )
        self._words.commit()

    def _asked(self, statement: str, match: str) -> int:
        return _as_bits((place for (place,) in self._words.execute(statement, (match,))), len(self._entries))

    def _order(self, sort: Sort) -> Sequence[int]:
        return self._orders["newest" if sort == "relevance" else sort]

    def _ranked(self, match: str, matched: int) -> Iterable[int]:
        """Return the places that hold the words, best first.

        Words that very many datasets hold do not tell which is best, and weighing them all takes longest: then those
        that have them in title, name or keywords come first, newest first.
        """
        if matched.bit_count() <= MOST_WEIGHED:
            return [place for (place,) in self._words.execute(self._select, (match,))]
        heads = _tester(self._asked(MATCHED, f"{{title name keywords}} : ({match})"))
        newest = self._orders["newest"]
        return chain((p for p in newest if heads(p)), (p for p in newest if not heads(p)))

    def _mask(self, facet: str, values: Iterable[str]) -> int:
        mask = 0
        for value in values:
            mask |= self._bits[facet].get(value, 0)
        return mask

    def _choices(self, facet: str, matched: int, masks: Mapping[str, int], chosen: Sequence[str]) -> tuple[Choice, ...]:
        """Count each value among what the words and the other facets leave."""
        left = matched
        for other, mask in masks.items():
            if other != facet:
                left &= mask
        counted = ((value, (bits & left).bit_count()) for value, bits in self._bits[facet].items())
        choices = [Choice(value, count, value in chosen) for value, count in counted if count or value in chosen]
        return tuple(sorted(choices, key=_shown_first(facet)))


def facet_values(entry: Entry) -> list[tuple[str, str]]:
    """Return the facets an entry belongs to, with its values."""
    row = entry.version.row
    first, last = row["first_year"], row["last_year"]
    years = range(first, min(last, first + MOST_YEARS) + 1) if first is not None else ()
    return [
        ("access", REMOVED if entry.version.removal else row["access"]),
        ("licence", row["licence"] or "none stated"),
        *(("keyword", keyword) for keyword in dict.fromkeys(entry.version.keywords)),
        *(("year", str(year)) for year in years),
        ("fair", band(row["fair_score"])),
        ("personal", "yes" if row["personal"] else "no"),
    ]


def band(score: float | None) -> str:
    """Return the band a FAIR score lies in."""
    return next(name for least, name in BANDS if (score or 0.0) >= least)


def _shown_first(facet: str) -> Callable[[Choice], tuple[bool, float, str]]:
    """Return the order of a facet's choices: bands and years as they follow, else the chosen and frequent first."""
    bands = {name: place for place, (_, name) in enumerate(BANDS)}
    if facet == "fair":
        return lambda choice: (False, bands[choice.value], "")
    if facet == "year":
        return lambda choice: (False, -int(choice.value), "")
    return lambda choice: (not choice.chosen, -choice.count, choice.value.casefold())


def _entry(holdings: Holdings, dataset: str) -> Entry:
    newest = holdings.newest(dataset)
    assert newest is not None, "every dataset of the holdings has a version"
    return Entry(dataset, newest, len(holdings.versions[dataset]))


def _searched(entry: Entry) -> tuple[str, ...]:
    row = entry.version.row
    identifiers = f"{row['dataset_identifier']} {row['version_identifier']}"
    return (
        row["title"],
        f"{entry.dataset} {identifiers}".replace("_", " "),
        " ".join(entry.version.keywords),
        " ".join([*entry.version.creators, row["publisher"] or ""]),
        row["description"],
        (row["variables"] or "").replace("_", " "),
    )


def _ordered(entries: Sequence[Entry], sort: str) -> list[int]:
    keys = {
        "newest": lambda place: (-entries[place].version.row["saved_at"].timestamp(), entries[place].dataset),
        "title": lambda place: (entries[place].version.row["title"].casefold(), entries[place].dataset),
        "fair": lambda place: (-(entries[place].version.row["fair_score"] or 0.0), entries[place].dataset),
    }
    return sorted(range(len(entries)), key=keys[sort])


def _as_bits(places: Iterable[int], count: int) -> int:
    bits = bytearray(count // 8 + 1)
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(bits, "little")


def _match(words: str) -> str | None:
    """Return the words as a query of the index, each the beginning of a word; None when nothing is asked."""
    terms = re.findall(r"\w+", words.replace("_", " "))[:MOST_WORDS]
    if not terms:
        return NOTHING if words.strip() else None
    return " ".join(f'"{term}"*' for term in terms)


def _tester(bits: int) -> Callable[[int], bool]:
    """Return a function that says quickly whether a place is in a set of bits."""
    held = bits.to_bytes((bits.bit_length() + 7) // 8 + 1, "little")
    return lambda place: place >> 3 < len(held) and bool(held[place >> 3] >> (place & 7) & 1)


def _slice(order: Iterable[int], left: int, first: int, size: int) -> list[int]:
    """Return `size` places of `order` that are in `left`, from the `first` on."""
    return list(islice(filter(_tester(left), order), first, first + size))
