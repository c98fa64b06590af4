"""A seeded corpus of made-up personal data: texts with the bounds of every identifier, columns with hard negatives.

Nothing here is about anybody: names and addresses come from Faker, numbers from a seeded generator. Sentences and
seeds for tuning and for measuring are apart.
"""

import base64
import hashlib
import random
import re
from dataclasses import dataclass

from faker import Faker

LOCALES = ("en_US", "en_GB", "en_IN", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_BR", "nl_NL", "sv_SE", "pl_PL", "cs_CZ",
           "fi_FI", "da_DK", "hu_HU", "tr_TR", "es_MX", "en_NG", "vi_VN", "id_ID")  # fmt: skip
TUNING_SEED, MEASURING_SEED = 11, 97

_TUNING = """
{name} was absent on Monday because of illness.
The report was written by {name} and checked by {name2}.
Dear {given}, please bring the signed form to the office before Friday.
My name is {name} and I would like to change my course.
Contact {name} at {email} for details.
Parent meeting with Mrs. {surname} about homework in Mathematics.
Mr. {surname} teaches Biology at {org}.
Please call {given} on {phone} after school.
Student: {name}, student no. {student_number}
{surname}, {given} handed in Assignment 3 late.
I talked to {given} and {given2} about the group project.
Professor {surname} said that the exam was too hard.
Best regards, {name}
The lab partner of {name} is {name2} from Grade 9.
{given}'s mother, {name}, picked her up at noon.
{given} has been struggling with Reading Comprehension since January.
We met {name} in {city} during the excursion.
Is {given} in your class? Yes, {given} {surname} sits next to me.
Tutor: {name}
Assigned to: {name}
Author: {given} {initial}. {surname}
He asked {name} whether the Physics homework was due on Tuesday.
According to {surname}, the results were not significant.
The winners are {given}, {given2} and {name}.
{name} lives at {address}.
Hi, I am {name}, born on {birth}.
Her SSN is {ssn} and her name is {name}.
{given} {surname} (guardian: {name2}) was informed.
Thank you, Ms. {surname}, for your help with Question 4.
Who is {name}?
{name}: I think the answer is B.
{given}: What did you get for number two?
Counsellor {surname} met with the student twice.
Letter of recommendation for {name}
Signed by {initial}. {surname}
As {given} {surname} and Dr. {surname2} have shown, practice helps.
The essay by {name} was the best in the class.
Did you see what {given} wrote in Discussion Board 2?
She was born in {city} and moved to {city2} in 2009.
Sent from my phone. {given}
The account holder is {name}, account number {account}.
bot: What is your name? user: {name}
bot: Who should we contact? user: {given}
Billing address: {name}, {address}
{name} has moved to {city} with {given2}.
Mr and Mrs {surname} complained about the bus.
This song was sung by {name} in 1974.
Directed by {name}, it was shown in Room 12.
Have you heard from {name} at {org}?
I believe {given} is {nationality}.
{name}
{given} {surname}, {org}
Coach {surname} praised {given} after the match.
Why is {given} late again?
The teacher told {given} to read Chapter 5 of World History.
My great grandfather was called {name}.
{org} hired {name} as Head of Mathematics.
There is a note from {surname} in the file.
A story about {name} and {name2}, who never met.
Maybe the booking is under {name}.
What is your last name? {surname}
User: my name's {given}
"The trend is clear," says {surname}.
{surname} said so in Tuesday's interview.
Producer {name} explained it to the newspaper.
She named her son {given}.
Unlike the {surname} novel, this one is short.
The founders are {surname}, {surname2} and {given}.
{surname} and {surname2} were careful engineers.
It was written by {name} (not by {name2}).
Nobody knew what {surname}'s early work was about.
Please change it to {name}.
Name: {name}, Date: {birth}, Phone: {phone}
{given}, can I speak to you?
{given}: "I'm {given2}'s teacher".
Here is {given}'s essay.
We asked him about {given}'s marks.
The {name} prize went to {org}.
Sincerely yours,\n{name}
To: {name}\nFrom: {name2}\nSubject: Excursion
Favourite author: {name}
Class 7b: {given}, {given2}, {name}
"""
TUNING_SENTENCES = [line.replace("\\n", "\n") for line in _TUNING.strip().splitlines()]

# Pieces that are put together to sentences for tuning: when, who, does what, with whom.
WHEN = """|On Monday |In March |Yesterday |After the exam, |Before lunch |For the Physics project, |According to the report, |
In the second term |During World History |Since January |Last Friday |In Room 204 |As agreed on Tuesday, |Then |Today |
However, |In Grade 11 |Because of the bus strike |At the Science Fair |Despite the rules, |In the end |Also, |
Good morning {given2}, |Hi {given2}! |Hey {given2}, |Dear Mr {surname2}, |Dear Sir or Madam, |Good evening, |Hello, """
WHO = """{name}|{name}|{name}|{given}|{given}|Mr. {surname}|Mrs. {surname}|Ms {surname}|Dr. {surname}|Prof. {surname}|Miss {surname}|
{given} {initial}. {surname}|teacher {surname}|Headmaster {surname}|Dean {surname}|Nurse {surname}|coach {name}|Tutor {name}|
{given}'s sister|{given}'s tutor|{given} and {given2}|{surname} and {surname2}|my friend {given}|our neighbour {name}|
the student {name}|a boy called {given}|the pupil {given}|the parents of {given}|the class of Mr. {surname}|President {surname}|
the author {name}|the Director of Studies|the English teacher|the Maths Department|{org}|the Board|Grade 9|the girl|nobody"""
DOES = """ passed the exam| failed Algebra II| asked for help| wrote an essay about the French Revolution| missed the Monday lesson|
 scored 78 points| plays chess| is new in class| has left| was ill| read Hamlet in English class| went home early|
 forgot the homework| solved Question 3| likes Biology| prefers Art to Music| needs glasses| moved to {city}| comes from {country}|
 had an accident| is the oldest| got the prize of {org}| spoke at the Spring Meeting| paid the fee| has to repeat Chemistry|
 thinks that the test was easy| said that it rains| is in Team Blue| visited London| gave a talk on the Roman Empire|
 will be back in April| agrees| signed the form| used the Library Card| cannot see the board| took the photo| is said to be shy"""
WITH = """.|.|.|!|?|, I think.| with {name2}.| and told {given2}.| because {given2} was away.| for Mrs. {surname2}.| (see {surname2}, 2004).|
 but not {name2}.| after {given2}'s birthday.| in front of {name2} and the class.| on Wednesday.| at {org}.| near {city}.|
, says {name2}.| like {given2}.| without Dr. {surname2}.| together with the {nationality} group.| in Chapter Four.| (ask {given2}).|
 since {surname2} came.|, as did {name2}.| instead of {given2}.| while {name2} watched.| by order of {name2}.| of {surname2}."""


def pieces(text: str) -> list[str]:
    return [piece.replace("\n", "") for piece in text.split("|")]


# Names of streets, places and firms, which are none of persons.
UNPERSONAL_SENTENCES = """
Our offices are located at {place}.
Please return it to {place} in {city}.
I'm moving to {place} next week, I'll call you then.
{org} and {org} are in {city}.
I work for {org}.
{org} is a developer of software in {city}.
The {nationality} team from {city} won on {org}'s field.
How do I open my credit card statement?
When: Tuesday\nWhere: {city} Country Club.
I will be travelling to {country}, so I need my form by then.
{org} merged with {org}
Address: {place}
{name}\n{org}\n{place}
{name}\n\n{place}\n\nPhone: {phone}
{given} lives on {place}
>{name}\n>{org}\n>{place}
Name: {name}\nAddress: {place}
{given} gave {given2} this address: {place}
It was near {city}, in {country}.
{org} Annual Report, Chapter Two
"""
UNPERSONAL = [line.replace("\\n", "\n") for line in UNPERSONAL_SENTENCES.strip().splitlines()]

MEASURING_SENTENCES = """
On Thursday {name} did not come to the Chemistry lesson.
Comments by {name} on the draft of {name2}.
Hello {given}, your library card has expired.
I'm {name}; could you move me to the Algebra group?
Write to {email} or ask {name} directly.
Conference with Mr. {surname} regarding the reading log.
Dr. {surname} of {org} gave a guest lecture on Photosynthesis.
{given} can be reached at {phone} in the evening.
Pupil: {name}, matriculation no. {student_number}
Late submission: {surname}, {given}
{given} worked with {given2} on the poster.
The grades were entered by Ms. {surname} on Friday.
Kind regards, {name}
Seat 14 belongs to {name}, seat 15 to {name2}.
{given}'s father, {name}, signed the form.
{given} scored 45 of 60 in Spanish.
{name} comes from {city} and speaks two languages.
Emergency contact: {name}
Reviewer: {given} {initial}. {surname}
In her answer {name} mixed up Mitosis and Meiosis.
As {surname} argues, testing helps learning.
{given}, {given2} and {name} will present on Wednesday.
{name} now lives at {address}.
The form of {name} says born {birth}, SSN {ssn}.
{name2} is the guardian of {given} {surname}.
Could somebody forward this to {name}?
{given}: the second one is wrong, I think.
A note for {given}'s file was added by Principal {surname}.
The best poem was by {given} {surname}.
Paid by {name} from account number {account}.
agent: Your name, please. customer: {name}
{name} started at {org} in September.
The Department of Education published the figures for Ohio.
Students in Grade 8 read Romeo and Juliet in English class.
The River Thames flows through London and Oxford.
Questions about the Pythagorean Theorem go to the Help Desk.
Monday and Tuesday are reserved for the Spring Concert.
{org} in {city} opens its Science Wing in May.
""".strip().splitlines()

ORGANISATIONS = ("Lincoln Middle School", "Oakwood College", "University of the North", "Riverside Academy",
                 "Jefferson High School", "Springfield Library", "Green Valley Institute", "Central Primary School",
                 "Acme Corporation", "Weeks Publishing", "National Science Museum")  # fmt: skip
FIRM_WORDS = ("credit", "karma", "health", "lucid", "factset", "clean", "power", "finance", "lending", "club", "capital", "data",
              "weather", "open", "energy", "garden", "allied", "systems", "partners", "group", "corporation", "inc")  # fmt: skip
COUNTRIES = ("Canada", "Spain", "Germany", "United States", "Uruguay", "Hungary", "Cyprus", "South Africa", "Poland")
NATIONALITIES = ("English", "German", "Swedish", "Brazilian", "Indian", "Polish", "American", "Turkish")
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
        sentences = ("".join(choose(pieces(part)) for part in (WHEN, WHO, DOES, WITH)) for _ in range(count))
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
            self.random.choice(ORGANISATIONS), f"{one} Ltd", f"{one}, {two} and {three}", f"{one} {self.firm()}",
            f"{self.firm()} {self.firm()}", f"{one}-{two}", self.firm(),
        ])  # fmt: skip

    def firm(self) -> str:
        return self.random.choice(FIRM_WORDS).title()

    def place(self) -> str:
        """Return an address over several lines, whose street may bear a person's name."""
        r, (given, surname) = self.random, self.person()
        street = r.choice([f"{given} {surname} Street", f"{surname} Road", f"Rua {given}", f"{surname} u.", f"Via {surname}",
                           f"{surname}gatan", "Long Lane", f"{given} Hill"])  # fmt: skip
        number = r.randrange(1, 99_999)
        first = r.choice([f"{number} {street}", f"{street} {number % 200}", f"{number} {street} {number % 90}"])
        more = r.choice(["", " Apt. 12", "\n Suite 731", " Suite 4"])
        mark = r.choice(["\n", ", ", "\n   "])
        return f"{first}{more}{mark}{self.faker.city()}{mark}{r.choice(COUNTRIES)} {self.digits(5)}"

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
            "country": lambda: self.random.choice(COUNTRIES),
            "nationality": lambda: self.random.choice(NATIONALITIES),
        }[field]()


def is_for_measuring(template: int) -> bool:
    """Say on which half of Microsoft's corpus a sentence pattern is; no pattern is on both."""
    return hashlib.sha256(str(template).encode()).digest()[0] % 2 == 1


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
        f"+44 20 7946 0{r.randrange(100, 999)}", f"+49 30 {maker.digits(7)}", f"+33 6 12 34 {r.randrange(10, 99)} {r.randrange(10, 99)}",
        f"+46 (0)70 {r.randrange(100, 999)} {r.randrange(10, 99)} {r.randrange(10, 99)}", f"{us[0]}.{us[1]}.{us[2]}",
    ])  # fmt: skip


def mbi(maker: Maker) -> str:
    letters = "ACDEFGHJKMNPQRTUVWXY"
    pick = maker.random.choice
    return f"{pick('123456789')}{pick(letters)}{pick(letters)}{pick('0123456789')}-{pick(letters)}{pick(letters)}{pick('0123456789')}-{pick(letters)}{pick(letters)}{maker.digits(2)}"


def address(maker: Maker) -> str:
    number = maker.random.randrange(1, 9999)
    name = maker.random.choice(["Oak", "Long Pine", "Maple", "Washington", "Church", "Mill", "St. Mary"])
    kind = maker.random.choice(["Street", "Avenue", "Road", "Lane", "Drive", "Court", "Blvd"])
    return maker.random.choice(
        [f"{number} {name} {kind}", f"{number} N {name} {kind}", f"Bahnhofstraße {number % 200 + 1}"]
    )


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
    "iban": lambda m: m.faker.iban(),
    "ip_address": lambda m: (
        f"{m.random.choice([8, 24, 52, 91, 151, 185])}.{m.random.randrange(256)}.{m.random.randrange(256)}.{m.random.randrange(1, 255)}"
    ),
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
    "account_name": lambda m: f"{m.person()[0].lower()}{m.digits(2)}",
    "place": lambda m: m.fakers[0].city(),
    "life_date": birth,
    "birth_place": lambda m: m.fakers[0].city(),
}
