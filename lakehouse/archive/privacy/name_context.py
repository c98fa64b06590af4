"""What stands around a name in running text: words that announce one, words that make it a firm's or a street's."""

import re
from collections.abc import Iterable, Iterator, Set
from functools import cache
from itertools import takewhile

from lakehouse.archive.privacy.kinds import word_list

Span = tuple[int, int]

LETTERS = re.compile(r"[^\W\d_]+")
BLANKED = bytes(byte if chr(byte).isalpha() and byte < 128 else ord(" ") for byte in range(256))


def ascii_words(text: str) -> list[str]:
    """Return the runs of ASCII letters of a text in small letters, at a fifth of the cost of those of all letters."""
    return text.lower().encode(errors="surrogatepass").translate(BLANKED).decode("ascii").split()


# Few parts, so that a chain of them without an end is not read to its end from each of its parts.
CAPITALISED = r"[A-ZÀ-ÖØ-ÞĀ-Ž][^\W\d_]*(?:['\u2019-][^\W\d_]+){0,3}"
PARTICLE = "(?:de|del|van|von|der|den|di|da|la|le|bin|al|ter)"
WORDS = rf"({CAPITALISED}\.?(?: (?:{PARTICLE} )?{CAPITALISED}\.?){{0,2}})"
RELATION = (
    "son|daughter|kid|child|brother|sister|mother|father|mum|mom|dad|wife|husband|friend|teacher|tutor|pupil|student"
    "|classmate|uncle|aunt|cousin|nephew|niece|grandmother|grandfather|colleague|neighbour|neighbor|roommate|boss|fiancé|fiancée"
)
SPEAKS = "said|says|asked|asks|replied|shouted|whispered|cried|laughed|smiled|told|answered|admitted|explained"
TITLE = "Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Professor|Herr|Frau|Mme|Mlle"
# Nothing but a name follows a title, or what somebody is to another.
TITLED = re.compile(
    rf"\b(?:(?:{TITLE})\.?"
    rf"|(?i:(?:my|your|his|her|our|their) (?:{RELATION})),?|assistant to) {WORDS}"
)
ANNOUNCED = re.compile(
    rf"(?:(?i:\b(?:my|his|her|their|whose|\w+'s) name(?: is|'s| was)|\bname:|\bsigned(?: by|,)|\bDear"
    rf"|\b(?:directed|written|composed|edited) by|\bstarring) +|\bex-{CAPITALISED} ){WORDS}"
)
# After a word for several people, a colon or a verb, a list is one of names. It is looked for by what follows the word.
PEOPLE = (
    "founders|winners|authors|members|students|pupils|teachers|tutors|coaches|players|friends|classmates|candidates"
    "|participants|guests|brothers|sisters|parents|absentees"
)
SEVERAL = re.compile(rf"s(?: are| were|:) ({CAPITALISED}(?:, {CAPITALISED}){{0,40}},? and {CAPITALISED})")
WORD_BEFORE = re.compile(r"[^\W\d_]+$")
LONGEST_WORD = 30
# Firms and countries speak too, and labels end in a colon, so there the word must stand in a list of names.
LABELLED = re.compile(rf"^({CAPITALISED}): (?=[A-Z])", re.M)
SPEAKERS = (
    re.compile(rf"\b({CAPITALISED}) (?:{SPEAKS})\b"),
    re.compile(rf"\b(?:{SPEAKS})(?: at| to)? ({CAPITALISED})"),
)
# Remember me, Mary?
CALLED = re.compile(rf", ({CAPITALISED})[?!]")
# One of these words stands in all that the pattern fits; to ask for words costs a tenth of what the pattern does.
TITLED_WORDS = frozenset(ascii_words(f"{TITLE}|{RELATION}|assistant"))
ANNOUNCED_WORDS = frozenset(("name", "signed", "dear", "directed", "written", "composed", "edited", "starring", "ex"))
SPEAKERS_WORDS = frozenset(SPEAKS.split("|"))
PEOPLE_WORDS = frozenset(PEOPLE.split("|"))
WITH_INITIAL = re.compile(rf" [A-Z]\.? ({CAPITALISED})\b")
# What an announcement says of somebody in small letters, where nothing follows it.
SPOKEN = re.compile(
    r"(?i:\bmy name is|\bcalls? me|\bi am called) ([^\W\d_]{3,30}(?: [^\W\d_]{3,30})?)(?=[.,!?]| ?$| but | and )", re.M
)
# A field of a form.
FILLED_IN = re.compile(
    r"^[ >?*]*(?i:(?:full |last |first )?name): *([^\W\d_]{2,30}(?: [^\W\d_]{1,30}\.?){0,3}) *$", re.M
)
# What must stand in a text for that, so that most texts need no closer look.
SPOKEN_HINTS = ("name is", "call me", "calls me", "am called")
FIELD_HINTS = ("ame:", "AME:")
# adam, kristina and caleb: looked for by the first comma, since most words have none behind them.
LISTED = re.compile(r", [^\W\d_]+(?:, [^\W\d_]+){0,39},? and [^\W\d_]+")
# The next capitalised word, maybe behind an ampersand; Thomas and Sons.
AFTER = re.compile(rf" (?:(&|and) )?({CAPITALISED})\b")
BEFORE = re.compile(rf"\b({CAPITALISED}),? & ?$")
# (Smith & Jones, 2010) are two authors.
YEAR_AFTER = re.compile(rf"(?: & {CAPITALISED})?,? \(?(?:1[89]|20)[0-9]{{2}}")
# Davis, Reynolds and Williamson as a firm's name: where a person would not stand, or before a word for a firm.
PARTNERS = re.compile(
    rf"\b(?:([Tt]he|at|from|for) )?({CAPITALISED}(?:, {CAPITALISED}){{1,4}},? (?:and|&) {CAPITALISED})"
    rf"(?: ({CAPITALISED}))?"
)
# Several people are, a firm is.
SINGULAR = re.compile(r" is an?\b")
# Behind the number of a house, which is no year, or of a flat, maybe in the next line, stand streets and towns.
PLACED = re.compile(
    rf"(?:\bcorner of (?:[^.\n]{{1,40}} and )?|\b(?!(?:1[5-9]|20)[0-9]{{2}} )[0-9]{{2,5}} (?:{CAPITALISED} )?"
    rf"|\b(?:Suite|Apt\.?|Apartment|Flat|Unit) [0-9]{{1,4}},?(?: |[ >?*]*\n[ >?*]*)(?:{CAPITALISED} )?)$"
)
# Where somebody lives, was born or goes to is a place.
IN_A_PLACE = re.compile(
    r"\b(?:[Uu]niversity of|(?:grew up|born|lives?|lived|living|located|based) in|(?:flew|moved|travelled|traveled) to"
    r"|originally from|(?:city|town|village) of) $"
)
BEFORE_PLACES = (" of ", " in ", " to ", " from ")
CONTRACTED = re.compile(r"['\u2019][tT]\b")


@cache
def _nobody() -> frozenset[str]:
    return word_list("never_names")


@cache
def _things() -> frozenset[str]:
    return word_list("firm_words")


@cache
def _given() -> frozenset[str]:
    return word_list("given_names") | word_list("given_names_more")


@cache
def _only_given() -> frozenset[str]:
    return _given() - word_list("surnames") - word_list("surnames_more")


@cache
def _rare() -> frozenset[str]:
    return (_given() | word_list("surnames") | word_list("surnames_more")) - word_list("common_words")


@cache
def _odd() -> frozenset[str]:
    return _nobody() | _things()


@cache
def _odd_or_plain() -> frozenset[str]:
    return _odd() | word_list("common_words")


def announced(text: str) -> Iterator[Span]:
    """Yield names that words around them announce: a title, a greeting, a relation, a verb of speech."""
    # A text in small letters holds none of the others, and is most of what is looked through.
    if not text.islower():
        yield from _written_large(text)
    if any(hint in text for hint in SPOKEN_HINTS):
        for match in SPOKEN.finditer(text):
            yield from _leading(text, match.span(1), _odd_or_plain())
    if any(hint in text for hint in FIELD_HINTS):
        for match in FILLED_IN.finditer(text):
            yield from _leading(text, match.span(1), _odd_or_plain())
    if ", " in text and " and " in text:
        yield from _listed(text)


def _written_large(text: str) -> Iterator[Span]:
    words = frozenset(ascii_words(text))
    if not words.isdisjoint(TITLED_WORDS):
        for match in TITLED.finditer(text):
            yield from _leading(text, match.span(1), _odd())
    if not words.isdisjoint(ANNOUNCED_WORDS):
        for match in ANNOUNCED.finditer(text):
            yield from _leading(text, match.span(1), _odd_or_plain())
    if not words.isdisjoint(PEOPLE_WORDS):
        yield from _several(text)
    for pattern in _speakers(text, words):
        yield from (match.span(1) for match in pattern.finditer(text) if match[1].lower() in _rare())
    yield from _with_initial(text)
    yield from _in_turns(text)


def _several(text: str) -> Iterator[Span]:
    for match in SEVERAL.finditer(text):
        word = _word_before(text, match.start() + 1)
        if word is not None and word[0].lower() in PEOPLE_WORDS:
            yield from (name.span() for name in LETTERS.finditer(text, *match.span(1)) if name[0].lower() not in _odd())


def _word_before(text: str, end: int) -> re.Match[str] | None:
    return WORD_BEFORE.search(text, max(0, end - LONGEST_WORD), end)


def _with_initial(text: str) -> Iterator[Span]:
    """Yield a name with a letter in its middle, of which one word is hardly but a name and none an everyday word."""
    for match in WITH_INITIAL.finditer(text):
        before = _word_before(text, match.start())
        if before is None or not before[0][0].isupper():
            continue
        words = (before[0].lower(), match[1].lower())
        if not _rare().isdisjoint(words) and _odd_or_plain().isdisjoint(words):
            yield before.start(), match.end()


def _in_turns(text: str) -> Iterator[Span]:
    """Yield who speaks in a dialogue: single words before a colon that begin lines, one of them hardly but a name."""
    labels = list(LABELLED.finditer(text)) if text.count(": ") > 1 else []
    if len(labels) > 1 and any(label[1].lower() in _rare() for label in labels):
        for label in labels:
            yield from _leading(text, label.span(1), _odd_or_plain())


def _speakers(text: str, words: Set[str]) -> Iterator[re.Pattern[str]]:
    """Yield the patterns that may fit."""
    if ": " in text:
        yield LABELLED
    if "?" in text or "!" in text:
        yield CALLED
    if not words.isdisjoint(SPEAKERS_WORDS):
        yield from SPEAKERS


def _leading(text: str, bounds: Span, odd: frozenset[str]) -> Iterator[Span]:
    words = list(takewhile(lambda word: word[0].lower() not in odd, LETTERS.finditer(text, *bounds)))
    if words:
        yield words[0].start(), words[-1].end()


def _listed(text: str) -> Iterator[Span]:
    """Yield given names in a list of which half are given names and two are hardly anything else.

    In one of nothing but given names and a single other word, that is no everyday word, it is one too.
    """
    for start, end in listings(text):
        words = [word for word in LETTERS.finditer(text, start, end) if word[0] != "and"]
        given = [word for word in words if word[0].lower() in _given()]
        if 2 * len(given) >= len(words) and sum(word[0].lower() in _rare() for word in given) > 1:
            yield from (word.span() for word in given)
            others = [word for word in words if word[0].lower() not in _given()]
            if len(others) == 1 and len(given) > 3 and others[0][0].lower() not in _odd_or_plain():
                yield others[0].span()


def listings(text: str) -> Iterator[Span]:
    """Yield lists of words from their first word on, none of which begins in another."""
    end = place = 0
    while (match := LISTED.search(text, place)) is not None:
        start = _start_of_word(text, match.start(), end)
        if start is None:
            place = match.start() + 1
        else:
            end = place = match.end()
            yield start, end


def _start_of_word(text: str, end: int, least: int) -> int | None:
    """Return where the run of letters that ends at a place starts; None where none does, or a digit is before it."""
    start = end
    while start > least and (text[start - 1].isalnum() and not text[start - 1].isdecimal()):
        start -= 1
    joined = start and (text[start - 1].isalnum() or text[start - 1] == "_")
    return None if start == end or joined else start


def again(text: str, found: Iterable[Span]) -> Iterator[Span]:
    """Yield where the given name or the surname of a whole name found in a text stands alone in it."""
    whole = [words for start, end in found if len(words := LETTERS.findall(text[start:end])) > 1]
    parts = {part for words in whole for part in (words[0], words[-1])}
    alone = {name for name in parts if len(name) > 2 and name[0].isupper() and name.lower() not in _odd_or_plain()}
    if alone:
        yield from (word.span() for word in LETTERS.finditer(text) if word[0] in alone)


def is_nobody(text: str, start: int, end: int) -> bool:
    """Say whether a span cannot be a name: one letter without a point, or nothing but words that never are one."""
    words = LETTERS.findall(text[start:end])
    if len(words) == 1 and (len(words[0]) == 1 or CONTRACTED.match(text, end) is not None):
        return text[end : end + 1] != "."
    return all(word.lower() in _nobody() for word in words)


def is_thing(text: str, start: int, end: int) -> bool:
    """Say whether the name is part of a firm's, an institution's or a street's: Baker & McKenzie, Yale University."""
    words = [word.lower() for word in LETTERS.findall(text[start:end])]
    if _things().intersection(words[1:]) or _is_place(text, start, end):
        return True
    after, before = AFTER.match(text, end), BEFORE.search(text, max(0, start - 40), start)
    if after is not None and after[1] != "&" and after[2].lower() in _things():
        return True
    beside = after[2] if after is not None and after[1] == "&" else before[1] if before is not None else None
    if beside is None or YEAR_AFTER.match(text, end) is not None:
        return _is_partner(text, start, end)
    # Where one is a given name and no surname, the two are a couple.
    return len(words) == 1 and _only_given().isdisjoint((words[0], beside.lower()))


def _is_place(text: str, start: int, end: int) -> bool:
    """Say whether a house's number, or for one word what somebody does in a place, stands before a span.

    A whole name stays one behind these: who moved to Anna Smith's class moved to a person's.
    """
    first = max(0, start - 60)
    if PLACED.search(text, first, start):
        return True
    if not text.endswith(BEFORE_PLACES, first, start) or text.startswith(("'", "\u2019"), end):
        return False
    return text[start:end].isalpha() and IN_A_PLACE.search(text, first, start) is not None


def _is_partner(text: str, start: int, end: int) -> bool:
    """Say whether a span stands in a firm's name made of several surnames."""
    first = max(0, start - 60)
    around = text[first : end + 60]
    if " and " not in around and "&" not in around:
        return False
    for match in PARTNERS.finditer(around):
        if match.start(2) + first <= start and end <= match.end(2) + first:
            last = match[3] or ""
            headed = match[1] is not None or _is_heading(text, match.start() + first, match.end() + first)
            if SINGULAR.match(around, match.end()) is not None:
                headed = _only_given().isdisjoint(word.lower() for word in LETTERS.findall(match[2]))
            return last.lower() in _things() or (headed and not last)
    return False


def _is_heading(text: str, start: int, end: int) -> bool:
    """Say whether a span is a line of its own before an empty one."""
    return text[max(0, start - 1) : start] in ("", "\n") and text[end : end + 2] == "\n\n"
