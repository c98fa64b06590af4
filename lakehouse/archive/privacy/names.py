"""Names of persons: lists of names for single cells, and a small tagger with learned weights for running text.

The tagger decides word by word, left to right, with the weights of an averaged perceptron (Freund and Schapire 1999;
Collins 2002) over what a word looks like, in which lists it stands and which words stand around it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import repeat

from lakehouse.archive.letters import folded
from lakehouse.archive.privacy.confirm import Where
from lakehouse.archive.privacy.kinds import RULES_FOLDER, word_list
from lakehouse.archive.privacy.name_context import (
    CAPITALISED,
    LETTERS,
    PARTICLE,
    again,
    announced,
    ascii_words,
    is_nobody,
    is_thing,
)

WEIGHTS_FILE = "name_weights.txt"
LONGEST_NAME = 60
WORDS_REMEMBERED = 20_000
# Words looked at on each side of one; a text of nothing but capitalised words would be read once for each of them.
LONGEST_RUN = 8
# In shorter words the ending is most of the word.
SHORTEST_SURNAME = 6
# A word is a name when the evidence for it is that much stronger; chosen on the sentences for tuning.
MARGIN = 0.0
# O'Brien is one word, Brian's and I'll are two.
TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019](?!(?i:s|ll|ve|re|d|m|t)\b)[^\W\d_]+|-[^\W\d_]+)*|\d+|\n|[^\w\s]")
# The same for texts in ASCII, of which it reads a letter with one look instead of four.
TOKEN_IN_ASCII = re.compile(
    r"[A-Za-z]+(?:'(?!(?i:s|ll|ve|re|d|m|t)\b)[A-Za-z]+|-[A-Za-z]+)*|[0-9]+|\n|[^\w\s\x1c-\x1f]", re.ASCII
)
SENTENCE_ENDS = frozenset('.!?\n:"\u201c\u201d;\u2022')
WORD_IN_NAME = r"[^\W\d_][^\W\d_'\u2019.-]*(?:['\u2019.-][^\W\d_]*)*"
# J. R. Smith, or Smith, J. R.
INITIALS = re.compile(rf"(?:[^\W\d_]\. ?){{1,3}}{WORD_IN_NAME}|{WORD_IN_NAME}, (?:[^\W\d_]\.[ -]?){{1,3}}")
# A line of its own, maybe quoted or listed.
OWN_LINE = re.compile(
    rf"^[ >?*\u2022-]*+({CAPITALISED}\.?(?:,? {{1,2}}(?:{PARTICLE} )?{CAPITALISED}\.?){{1,3}}) *$", re.M
)
CELL = re.compile(rf"{WORD_IN_NAME}(?:,? ['\u2019]?{WORD_IN_NAME}){{0,6}}\.?")


def is_name_cell(cell: str, where: Where) -> bool:
    """Say whether a whole cell is a person's name, as far as lists of names can tell.

    In a column about persons one name that is no everyday word is enough; elsewhere a given name and a surname must
    stand together, of which one may be such a word.
    """
    if len(cell) > LONGEST_NAME or not cell[:1].isupper() or CELL.fullmatch(cell) is None:
        return False
    words = [word for word in re.split(r"[\s,.\u2019'-]+", cell) if word]
    if word_list("not_persons").intersection(word.lower() for word in words):
        return False
    parts = [folded(word) for word in words]
    given, surnames, common = ([part in names for part in parts] for names in _cell_names())
    likely = [sounds_like_surname(part) for part in parts]
    rare = [(given[i] or surnames[i]) and not common[i] for i in range(len(parts))]
    if where is Where.IN_CONTEXT:
        return any(rare)
    if INITIALS.fullmatch(cell) is not None:
        return any(surnames[i] and rare[i] for i in range(len(parts)))
    pairs = ((i, j) for i in range(len(parts)) for j in range(len(parts)) if i != j)
    return any(
        given[i] and ((surnames[j] and (rare[i] or rare[j])) or (rare[i] and likely[j] and not common[j]))
        for i, j in pairs
    )


def sounds_like_surname(word: str) -> bool:
    """Say whether a folded word that is long enough ends as surnames do in some language."""
    return len(word) >= SHORTEST_SURNAME and word.endswith(_surname_endings())


@cache
def _surname_endings() -> tuple[str, ...]:
    return tuple(sorted(word_list("surname_endings")))


@cache
def _cell_names() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Given names, surnames and everyday words, folded; more names than the tagger learned with."""
    given = word_list("given_names") | word_list("given_names_more")
    surnames = word_list("surnames") | word_list("surnames_more")
    return folded_all(given), folded_all(surnames), folded_all(word_list("common_words"))


def folded_all(words: Iterable[str]) -> frozenset[str]:
    """Return all words, given in small letters, folded: those that are not yet in one go, a tenth of the time."""
    known = frozenset(words)
    accented = [word for word in known if not word.isascii()]
    return known.difference(accented).union(folded("\n".join(accented)).split("\n") if accented else ())


@cache
def _rare_names() -> tuple[frozenset[str], frozenset[str]]:
    """Names that are no everyday words."""
    common = word_list("common_words")
    return word_list("given_names") - common, word_list("surnames") - common


@cache
def _any_rare_name() -> frozenset[str]:
    return frozenset().union(*_rare_names())


def has_name_word(text: str) -> bool:
    """Say whether a word that is hardly anything but a name stands in the text, in any case."""
    return not _any_rare_name().isdisjoint(re.findall(r"[^\W\d_]+", text.lower()))


@cache
def weights() -> dict[str, float]:
    """Return the tagger's weights by feature."""
    lines = (RULES_FOLDER / WEIGHTS_FILE).read_text(encoding="utf-8").splitlines()
    fields = "\t".join(line for line in lines if line and not line.startswith("# ")).split("\t")
    return dict(zip(fields[::2], map(float, fields[1::2]), strict=True))


def find_names(text: str) -> list[tuple[int, int]]:
    """Return where names of persons stand in running text, as bounds in letters."""
    found = [*_tagged(text), *_own_lines(text), *announced(text)]
    if not found:
        return []
    found += again(text, found)
    return [span for span in _merged(found) if not is_thing(text, *span) and _stands_free(text, *span)]


def _own_lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield lines that are nothing but a name: by the lists, or a given name and a word that is no everyday one."""
    for line in OWN_LINE.finditer(text) if "\n" in text or len(text) <= LONGEST_NAME else ():
        words = line[1].split()
        if is_name_cell(" ".join(words), Where.ELSEWHERE) or _is_given_name_and_more([word.lower() for word in words]):
            yield line.span(1)


def _is_given_name_and_more(words: list[str]) -> bool:
    odd = word_list("common_words") | word_list("not_persons") | word_list("firm_words") | word_list("never_names")
    whole = [word for word in words if len(word.rstrip(".")) > 1]
    return len(whole) == 2 and whole[0] in word_list("given_names") and odd.isdisjoint(whole)


def _tagged(text: str) -> list[tuple[int, int]]:
    if not _may_hold_names(text):
        return []
    token = TOKEN_IN_ASCII if text.isascii() else TOKEN
    words = token.findall(text)
    learned, rare = weights(), _any_rare_name()
    tags = [False] * len(words)
    for position in [at for at, word in enumerate(words) if word[0].isupper() or word in rare]:
        tags[position] = _score(learned, words, position, tags) > MARGIN
    if not any(tags):
        return []
    # Where words stand is asked only of texts in which one is a name.
    bounds = [match.span() for match in token.finditer(text)]
    return [span for span in _spans(words, bounds, tags) if not is_nobody(text, *span)]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, those that overlap made one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _may_hold_names(text: str) -> bool:
    """Say whether any word of a text may be a name; most lines of everyday words need no closer look."""
    if not text.islower():
        return True
    # Runs of letters are cut out many times as fast as tokens.
    runs = ascii_words(text) if text.isascii() else LETTERS.findall(text)
    return not _rare_beginnings().isdisjoint(runs) and not _any_rare_name().isdisjoint(TOKEN.findall(text))


@cache
def _rare_beginnings() -> frozenset[str]:
    """The first run of letters of each rare name, which every text with that name holds."""
    return frozenset(name if name.isalpha() else LETTERS.findall(name)[0] for name in _any_rare_name())


def _stands_free(text: str, start: int, end: int) -> bool:
    """Say whether a name is neither a title nor a piece of an address of mail or of the web."""
    inside = text[end : end + 1] in ("@", "_") or text[start - 1 : start] in ("@", "_", "/")
    return not inside and text[start:end].lower() not in word_list("name_titles")


def _score(learned: dict[str, float], words: Sequence[str], position: int, tags: Sequence[bool]) -> float:
    return sum(map(learned.get, features(words, position, tags), repeat(0.0)))


def may_be_name(word: str) -> bool:
    """Say whether a word is written as names are, with a capital, or is hardly anything but a name."""
    return word[0].isupper() or word in _any_rare_name()


def features(words: Sequence[str], position: int, tags: Sequence[bool]) -> list[str]:
    """Return what the tagger knows about one word that may be a name, given its decisions on the words before."""
    word, before_word = words[position], _neighbour(words, position, -1)
    before, after = _seen(before_word), _seen(_neighbour(words, position, 1))
    before_2, after_2 = _seen(_neighbour(words, position, -2)), _seen(_neighbour(words, position, 2))
    kind = _lists(word)
    starts = "start" if before_word in SENTENCE_ENDS or not before_word else "in"
    tagged = "name" if position and tags[position - 1] else "other"
    run = _run(words, position)
    return [
        "bias",
        f"k={kind}",
        f"k={kind} {starts}",
        f"k={kind} before={tagged}",
        f"shape={_shape(word)} {kind}",
        *([f"w={word.lower()}"] if "c" in kind else ()),
        f"end={word[-3:].lower()}",
        f"b={before}",
        f"a={after}",
        f"bb={before_2} {before}",
        f"aa={after} {after_2}",
        f"b={before} k={kind}",
        f"a={after} k={kind}",
        f"run={len(run)} {kind}",
        f"last={run[-1].lower() if len(run) > 1 else '-'}",
        f"first={run[0].lower() if len(run) > 1 else '-'}",
    ]


def _neighbour(words: Sequence[str], position: int, step: int) -> str:
    place = position + step
    return words[place] if 0 <= place < len(words) else ""


@lru_cache(WORDS_REMEMBERED)
def _seen(word: str) -> str:
    """Return a neighbour as the tagger sees it: a capitalised word by its lists, another one as it is."""
    if word[:1].isupper() and word.lower() not in word_list("name_titles"):
        return f"<{_lists(word)}>"
    return {"\n": "<line>", "\t": "<tab>"}.get(word) or ("9" if word.isdigit() else word.lower())


@cache
def _name_sets() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    return word_list("given_names"), word_list("surnames"), word_list("common_words")


@lru_cache(WORDS_REMEMBERED)
def _lists(word: str) -> str:
    parts = re.split(r"['\u2019-]", word.lower())
    # Anne-Marie is a given name because Anne is one, or Marie.
    marks = zip("gsc", _name_sets(), (any, any, all), strict=True)
    return "".join(mark for mark, names, how in marks if how(part in names for part in parts)) or "-"


@lru_cache(WORDS_REMEMBERED)
def _shape(word: str) -> str:
    if len(word) == 1:
        return "X"
    if not word[0].isupper():
        return "x"
    if word.isupper():
        return "XX"
    return "X-x" if not word.isalpha() else ("Xx" if word[1:].islower() else "xX")


def _run(words: Sequence[str], position: int) -> list[str]:
    """Return the capitalised words around a word with nothing but blanks and initials' points between them."""
    first = last = position
    while first > max(0, position - LONGEST_RUN) and _joined(words, first - 1, first):
        first -= 1
    while last + 1 < min(len(words), position + LONGEST_RUN) and _joined(words, last, last + 1):
        last += 1
    if first == last:
        return [words[position]] if words[position][0].isupper() else []
    return [word for word in words[first : last + 1] if word[0].isupper()]


def _joined(words: Sequence[str], left: int, right: int) -> bool:
    one, two = words[left], words[right]
    if one == "." or two == ".":
        initial = words[left - 1] if one == "." and left else one
        return len(initial) == 1 and initial.isupper()
    return _in_run(one) and _in_run(two)


@lru_cache(WORDS_REMEMBERED)
def _in_run(word: str) -> bool:
    return word[0].isupper() or word in word_list("name_particles")


def _spans(words: Sequence[str], bounds: Sequence[tuple[int, int]], tags: Sequence[bool]) -> list[tuple[int, int]]:
    """Join tagged words, over particles and initials' points, into spans."""
    spans: list[tuple[int, int]] = []
    last = -2
    for position, tagged in enumerate(tags):
        if not tagged:
            continue
        (start, end), between = bounds[position], words[last + 1 : position] if last >= 0 else []
        joins = (
            last >= 0
            and len(between) <= 2
            and all(word == "." or word.lower() in word_list("name_particles") for word in between)
        )
        if joins and start - spans[-1][1] <= 8 and not _sentence_break(words, last, position):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        last = position
    return spans


def _sentence_break(words: Sequence[str], last: int, position: int) -> bool:
    return "." in words[last + 1 : position] and len(words[last]) > 1
