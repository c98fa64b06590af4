"""Makes the lists of names and of everyday words under lakehouse/archive/rules/.

    python tests/privacy/make_lists.py ../shared/data/openstax_paragraphs/paragraphs.jsonl.gz

Names come from Faker's providers (MIT licence), everyday words from counts over the OpenStax textbooks (CC BY).
"""

import collections
import gzip
import importlib
import json
import pkgutil
import re
import sys
import textwrap
from pathlib import Path

import faker.providers.person as persons

RULES = Path(__file__).parents[2] / "lakehouse" / "archive" / "rules"
SEEN_IN_LOWER_CASE, LOWER_SHARE = 8, 0.25
ALSO_EVERYDAY = """hello please dear thanks monday tuesday wednesday thursday friday saturday sunday
january february march april may june july august september october
november december english french german spanish italian chinese american
european british city college university school"""
# Places whose names are also names of persons.
PLACES = """virginia carolina georgia dakota york jersey hampshire washington columbia paris london florence sydney
austin houston dallas denver madison jackson charlotte orlando lincoln boston chicago cleveland phoenix raleigh seattle
portland memphis nashville atlanta philadelphia detroit milwaukee angeles los las san santa berlin hamburg frankfurt
dresden leipzig bremen hannover vienna zurich geneva bern prague warsaw budapest bucharest sofia athens madrid barcelona
sevilla valencia lisbon porto rome milano venezia napoli torino verona siena lyon marseille nantes lille brussels
antwerpen amsterdam rotterdam utrecht copenhagen stockholm oslo bergen helsinki dublin edinburgh glasgow manchester
birmingham bristol oxford cambridge york leeds bath moscow kiev istanbul ankara cairo nairobi lagos delhi mumbai lima
bogota quito caracas havana kingston victoria melbourne perth adelaide auckland wellington toronto ottawa
montreal calgary tokyo beijing seoul manila jakarta bangkok israel jordan chad china india america africa asia europe
canada france germany italy spain england ireland scotland wales holland russia japan korea brazil mexico poland hungary
greece turkey egypt kenya nigeria peru chile cuba jamaica"""


def names() -> tuple[set[str], set[str]]:
    """Return given names and surnames in Latin letters, in lower case."""
    given: set[str] = set()
    surnames: set[str] = set()
    for locale in sorted(module.name for module in pkgutil.iter_modules(persons.__path__)):
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in dir(provider):
            values = getattr(provider, attribute)
            if isinstance(values, property) or callable(values) or attribute.startswith("_"):
                continue
            if "first_name" in attribute:
                given |= words(values)
            elif "last_name" in attribute:
                surnames |= words(values)
    return given, surnames


def words(values) -> set[str]:
    found = {word for value in values if isinstance(value, str) for word in re.findall(r"[^\W\d_]+", value.lower())}
    return {word for word in found if len(word) >= 3 and re.fullmatch(r"[a-zß-ÿā-ž]+", word)}


def everyday(paragraphs: Path) -> set[str]:
    """Return words that the textbooks write in lower case often."""
    counts: collections.Counter[str] = collections.Counter()
    written: collections.Counter[str] = collections.Counter()
    with gzip.open(paragraphs, "rt", encoding="utf-8") as lines:
        for line in lines:
            found = re.findall(r"[A-Za-z]+", json.loads(line)["text"])
            counts.update(word for word in found if word.islower())
            written.update(word.lower() for word in found)
    often = {
        word
        for word, count in counts.items()
        if count >= SEEN_IN_LOWER_CASE and count / written[word] >= LOWER_SHARE and len(word) > 2
    }
    return often | set(ALSO_EVERYDAY.split()) | set(PLACES.split())


def write(name: str, title: str, found: set[str]) -> None:
    text = "\n".join(textwrap.wrap(" ".join(sorted(found)), 119, break_on_hyphens=False, break_long_words=False))
    (RULES / f"{name}.txt").write_text(f"# {title}\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    given, surnames = names()
    source = "from the providers of Faker (MIT licence, (c) Daniele Faraglia and contributors)"
    write("given_names", f"Given names in Latin letters, {source}.", given)
    write("surnames", f"Surnames in Latin letters, {source}.", surnames)
    write(
        "common_words",
        "Everyday words: often written small in the OpenStax textbooks; some places.",
        everyday(Path(sys.argv[1])),
    )
