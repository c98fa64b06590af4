"""A seeded corpus of made-up personal data: texts with the bounds of every identifier, columns with hard negatives.

Nothing here is about anybody: names and addresses come from Faker, numbers from a seeded generator. Sentences and
seeds for tuning and for measuring are apart.
"""

import base64
import hashlib
import random
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from faker import Faker

LOCALES = ("en_US", "en_GB", "en_IN", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "sv_SE", "pl_PL", "cs_CZ",
           "fi_FI", "da_DK", "hu_HU", "tr_TR", "es_MX", "en_NG", "vi_VN", "id_ID")  # fmt: skip
TUNING_SEED, MEASURING_SEED = 11, 97

SENTENCES = yaml.safe_load(Path(__file__).with_name("sentences.yaml").read_text(encoding="utf-8"))
PIECES = ("when", "who", "does", "with")
FIELD = re.compile(r"\{([a-z_]+?)(2?)\}")
NAMED = {"name", "given", "surname"}
KINDS = {"email": "email", "phone": "phone", "ssn": "social_security", "student_number": "student_number",
         "account": "account", "birth": "birth_date", "address": "street_address"}  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """A text and its identifiers as kind, start and end."""

    text: str
    spans: tuple[tuple[str, int, int], ...]


class Maker:
    """Makes one value after another; the same seed gives the same ones."""

    def __init__(self, seed: int, locales=LOCALES, strange: float = 0.0, lower: float = 0.0):
        self.strange, self.lower = strange, lower
        self.random = random.Random(seed)
        self.fakers = [Faker(locale) for locale in locales]
        for number, faker in enumerate(self.fakers):
            faker.seed_instance(seed * 1000 + number)

    @property
    def faker(self) -> Faker:
        return self.random.choice(self.fakers)

    def digits(self, count: int) -> str:
        return "".join(self.random.choice("0123456789") for _ in range(count))

    def person(self) -> tuple[str, str]:
        """Return a given name and a surname; the share `strange` of them is in no list."""
        faker = self.faker
        given, surname = faker.first_name(), faker.last_name()
        if self.random.random() < self.strange:
            given, surname = self._estranged(given), self._estranged(surname)
        return given, surname

    def _estranged(self, name: str) -> str:
        letters = list(name)
        for place in self.random.sample(range(1, len(letters)), min(2, len(letters) - 1)):
            if letters[place].lower() in "aeiouy":
                letters[place] = self.random.choice("aeiouyáéöů")
            elif letters[place].isalpha():
                letters[place] = self.random.choice("bdfgklmnprstvzš")
        return "".join(letters)

    def put_together(self, count: int) -> list[Labelled]:
        choose = self.random.choice
        sentences = ("".join(choose(SENTENCES[part]) for part in PIECES) for _ in range(count))
        return [self.sentence(one[0].upper() + one[1:] if one[0] != "{" else one) for one in sentences]

    def sentences(self, templates, count: int) -> list[Labelled]:
        return [self.sentence(self.random.choice(templates)) for _ in range(count)]

    def sentence(self, template: str) -> Labelled:
        """Fill a template; the share `lower` is written without capitals."""
        people = {"": self.person(), "2": self.person()}
        text, spans, done = "", [], 0
        for match in FIELD.finditer(template):
            text += template[done : match.start()]
            kind, value = self._filled(match[1], people[match[2]])
            if kind:
                spans.append((kind, len(text), len(text) + len(value)))
            text += value
            done = match.end()
        text += template[done:]
        whole = tuple(_joined(text, spans))
        return Labelled(text.lower() if self.random.random() < self.lower else text, whole)

    def organisation(self) -> str:
        """Return a school, or a firm named after persons."""
        one, two, three = (self.person()[1] for _ in range(3))
        return self.random.choice([
            self.random.choice(SENTENCES["organisations"]), f"{one} Ltd",
            f"{one}, {two} and {three}", f"{one} {self.firm()}",
            f"{self.firm()} {self.firm()}", f"{one}-{two}", self.firm(),
        ])  # fmt: skip

    def firm(self) -> str:
        return self.random.choice(SENTENCES["firm_words"]).title()

    def place(self) -> str:
        """Return an address over several lines, whose street may bear a person's name."""
        r, (given, surname) = self.random, self.person()
        street = r.choice([f"{given} {surname} Street", f"{surname} Road", f"Rua {given}", f"{surname} u.",
                           f"Via {surname}",
                           f"{surname}gatan", "Long Lane", f"{given} Hill"])  # fmt: skip
        number = r.randrange(1, 99_999)
        first = r.choice([f"{number} {street}", f"{street} {number % 200}", f"{number} {street} {number % 90}"])
        more = r.choice(["", " Apt. 12", "\n Suite 731", " Suite 4"])
        mark = r.choice(["\n", ", ", "\n   "])
        return f"{first}{more}{mark}{self.faker.city()}{mark}{r.choice(SENTENCES['countries'])} {self.digits(5)}"

    def _filled(self, field: str, person: tuple[str, str]) -> tuple[str | None, str]:
        given, surname = person
        if field in NAMED or field == "initial":
            if field == "initial":
                return "person_name", given[0].upper()
            return "person_name", {"name": f"{given} {surname}", "given": given, "surname": surname}[field]
        if field == "place":
            return "street_address", self.place()
        if field in KINDS:
            return KINDS[field], VALUES[KINDS[field]](self)
        return None, {
            "org": self.organisation,
            "city": lambda: self.fakers[0].city(),
            "country": lambda: self.random.choice(SENTENCES["countries"]),
            "nationality": lambda: self.random.choice(SENTENCES["nationalities"]),
        }[field]()


def is_for_measuring(template: int) -> bool:
    """Say on which half of Microsoft's corpus a sentence pattern is; no pattern is on both."""
    return hashlib.sha256(str(template).encode()).digest()[0] % 2 == 1


def is_unseen(template: int) -> bool:
    """Say whether a sentence pattern for measuring was not even looked at while the words around names were chosen."""
    return hashlib.sha256(str(template).encode()).digest()[1] % 2 == 1


def _joined(text: str, spans):
    """Make one span of a given name, an initial and a surname beside each other."""
    whole = []
    for kind, start, end in spans:
        if whole and kind == whole[-1][0] == "person_name" and text[whole[-1][2] : start] in (" ", ". "):
            whole[-1] = (kind, whole[-1][1], end)
        else:
            whole.append((kind, start, end))
    return whole


def luhn_digit(digits: str) -> str:
    total = sum(map(int, digits[-2::-2])) + sum(sum(divmod(int(d) * 2, 10)) for d in digits[-1::-2])
    return str(-total % 10)


def card(maker: Maker) -> str:
    start = maker.random.choice(["4", "51", "53", "37", "6011", "35"])
    body = start + maker.digits((14 if start == "37" else 15) - len(start))
    number = body + luhn_digit(body)
    if start != "37" and maker.random.random() < 0.5:
        mark = maker.random.choice(" -")
        return mark.join(number[i : i + 4] for i in range(0, 16, 4))
    return number


def vin(maker: Maker) -> str:
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", [*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    letters = "".join(maker.random.choice("ABCDEFGHJKLMNPRSTUVWXYZ0123456789") for _ in range(11))
    body = maker.random.choice("12345") + letters[:7] + "0" + letters[8:] + maker.digits(5)
    total = sum(w * (int(c) if c.isdigit() else values[c]) for c, w in zip(body, weights, strict=True))
    return body[:8] + "0123456789X"[total % 11] + body[9:]


def ssn(maker: Maker) -> str:
    area = (
        maker.random.choice([n for n in (1, 123, 219, 457, 772, 665, 899) if n != 666])
        + maker.random.randrange(0, 5) * 0
    )
    return f"{area:03d}-{maker.random.randrange(1, 100):02d}-{maker.random.randrange(1, 10_000):04d}"


def birth(maker: Maker) -> str:
    year, month, day = maker.random.randrange(1945, 2015), maker.random.randrange(1, 13), maker.random.randrange(1, 29)
    layouts = (f"{year}-{month:02d}-{day:02d}", f"{month}/{day}/{year}", f"{day:02d}.{month:02d}.{year}")
    return maker.random.choice(layouts)


def phone(maker: Maker) -> str:
    r = maker.random
    us = f"{r.randrange(201, 990)}", f"{r.randrange(201, 990)}", maker.digits(4)
    return r.choice([
        f"({us[0]}) {us[1]}-{us[2]}", f"{us[0]}-{us[1]}-{us[2]}", f"+1 {us[0]} {us[1]} {us[2]}",
        f"+44 20 7946 0{r.randrange(100, 999)}", f"+49 30 {maker.digits(7)}",
        f"+33 6 12 34 {r.randrange(10, 99)} {r.randrange(10, 99)}", f"{us[0]}.{us[1]}.{us[2]}",
        f"+46 (0)70 {r.randrange(100, 999)} {r.randrange(10, 99)} {r.randrange(10, 99)}",
    ])  # fmt: skip


def mbi(maker: Maker) -> str:
    """Return a US Medicare number: digits, letters and either, in the order of the CMS."""
    alphabets = {"C": "123456789", "A": "ACDEFGHJKMNPQRTUVWXY", "N": "0123456789", "-": "-"}
    return "".join(maker.random.choice(alphabets[place]) for place in "CAAN-AAN-AANN")


def ip_address(maker: Maker) -> str:
    r = maker.random
    return f"{r.choice([8, 24, 52, 91, 151, 185])}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}"


def address(maker: Maker) -> str:
    number = maker.random.randrange(1, 9999)
    name = maker.random.choice(["Oak", "Long Pine", "Maple", "Washington", "Church", "Mill", "St. Mary"])
    kind = maker.random.choice(["Street", "Avenue", "Road", "Lane", "Drive", "Court", "Blvd"])
    return maker.random.choice(
        [f"{number} {name} {kind}", f"{number} N {name} {kind}", f"Bahnhofstraße {number % 200 + 1}"]
    )


def iban(maker: Maker) -> str:
    country, length = maker.random.choice([("DE", 22), ("GB", 22), ("FR", 27), ("NL", 18), ("SE", 24), ("PL", 28)])
    bank = "".join(maker.random.choice("ABCDEFGH") for _ in range(4)) if country in ("GB", "NL") else ""
    body = bank + maker.digits(length - 4 - len(bank))
    check = 98 - int("".join(str(int(letter, 36)) for letter in f"{body}{country}00")) % 97
    number = f"{country}{check:02d}{body}"
    return maker.random.choice([number, " ".join(number[i : i + 4] for i in range(0, length, 4))])


def mail(maker: Maker) -> str:
    given, surname = (re.sub("[^a-z]", "", part.lower()) or "ann" for part in maker.person())
    host = maker.random.choice(["uni-west.edu", "school-one.org", "mail.net", "students.ac.uk", "gmx.de"])
    return maker.random.choice(
        [f"{given}.{surname}@{host}", f"{surname}{maker.digits(2)}@{host}", f"{given}_{surname}@{host}"]
    )


VALUES = {
    "email": mail,
    "phone": phone,
    "fax": phone,
    "social_security": ssn,
    "student_number": lambda m: f"{m.random.choice(['S', '', 'ST'])}{m.digits(7)}",
    "account": lambda m: m.digits(m.random.randrange(8, 13)),
    "birth_date": birth,
    "street_address": address,
    "payment_card": card,
    "iban": iban,
    "ip_address": ip_address,
    "device": lambda m: ":".join(f"{m.random.randrange(256):02x}" for _ in range(6)),
    "vehicle": vin,
    "medical_record": lambda m: f"MR{m.digits(7)}",
    "health_plan": mbi,
    "licence": lambda m: f"{m.random.choice('ABCDKS')}{m.digits(8)}",
    "national_id": lambda m: (
        f"{m.random.choice(['AB', 'JK', 'PR'])} {m.digits(2)} {m.digits(2)} {m.digits(2)} {m.random.choice('ABCD')}"
    ),
    "profile_url": lambda m: f"https://www.linkedin.com/in/{m.person()[0].lower()}-{m.digits(3)}",
    "url": lambda m: f"https://www.{m.random.choice(['school', 'club', 'page'])}{m.digits(2)}.org/{m.digits(3)}",
    "photo": lambda m: "data:image/png;base64," + base64.b64encode(m.random.randbytes(60)).decode(),
    "biometric": lambda m: base64.b64encode(m.random.randbytes(48)).decode(),
    "postcode": lambda m: (
        f"{m.random.choice(['SW1A', 'M1', 'EC2V'])} {m.random.randrange(1, 9)}{m.random.choice(['AA', 'BX', 'JQ'])}"
    ),
    "coordinates": lambda m: f"{m.random.uniform(-80, 80):.5f}, {m.random.uniform(-170, 170):.5f}",
    "old_age": lambda m: str(m.random.randrange(90, 110)),
    "person_name": lambda m: " ".join(m.person()),
    "maiden_name": lambda m: m.faker.last_name(),
    "account_name": lambda m: f"{m.person()[0].split()[0].lower()}{m.digits(2)}",
    "place": lambda m: m.fakers[0].city(),
    "life_date": birth,
    "birth_place": lambda m: m.fakers[0].city(),
}
