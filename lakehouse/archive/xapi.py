"""Judges xAPI statements of 1.0.3 and 2.0.0: every fault with its place in the statement and its requirement.

The shape comes from ``rules/xapi.yaml``. It is turned into nested functions once for each version; a statement without
a fault passes through them without building any text.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time

from lakehouse.archive.xapi_shape import Format, Property, Shape, XapiVersion, shapes
from lakehouse.archive.xapi_terms import CROSS_CHECKS, IDENTIFIERS, Failing, Value

LONGEST_TEXT = 8192


@dataclass(frozen=True, slots=True)
class StatementFault:
    """One broken requirement: where in the statement (`context.team.mbox`), its number, and what is wrong.

    The message never holds a value of the statement.
    """

    path: str
    requirement: str
    message: str


Judge = Callable[[object], Failing]
NO_FAULTS: Failing = ()


def faults(statement: object, version: XapiVersion) -> list[StatementFault]:
    """Return everything wrong with a parsed statement; empty when a Learning Record Store must accept it."""
    return [StatementFault(path, requirement, message) for path, requirement, message in _judge(version)(statement)]


@functools.cache
def _judge(version: XapiVersion) -> Judge:
    return _Builder(version).of("statement", "Data 2.4")


class _Builder:
    """Turns kinds into judges, each built once: agents stand in many places of a statement."""

    def __init__(self, version: XapiVersion) -> None:
        self._version = version
        self._built: dict[tuple[str, str], Judge] = {}
        self._special: dict[str, Callable[[str], Judge]] = {
            "string": _typed(str, "must be text"),
            "boolean": _typed(bool, "must be true or false"),
            "number": lambda requirement: functools.partial(_number, requirement),
            "count": lambda requirement: functools.partial(_count, requirement),
            "language_map": self._language_map,
            "extensions": self._extensions,
            "agent": lambda requirement: self.of("agent_only", requirement),
            "group": lambda requirement: self.of("group_only", requirement),
            "actor": lambda requirement: self._by_type(requirement, "Agent", ("Agent", "Group")),
            "authority": lambda requirement: self._by_type(requirement, "Agent", ("Agent", "Group"), "authority"),
            "object": lambda requirement: self._by_type(requirement, "Activity", tuple(OBJECT_KINDS)),
            "sub_object": lambda requirement: self._by_type(
                requirement, "Activity", tuple(kind for kind in OBJECT_KINDS if kind != "SubStatement")
            ),
            "activities": self._activities,
        }

    def of(self, kind: str, requirement: str) -> Judge:
        """Return the judge of a kind: a format, an object or one of the special kinds."""
        key = (kind, requirement)
        if key not in self._built:
            self._built[key] = self._build(kind, requirement)
        return self._built[key]

    def _build(self, kind: str, requirement: str) -> Judge:
        if kind in self._special:
            return self._special[kind](requirement)
        if kind in shapes().formats:
            return _format(shapes().formats[kind], self._version, requirement)
        return self._object(kind, shapes().objects[kind], requirement)

    def _object(self, kind: str, shape: Shape, requirement: str) -> Judge:
        known = {name: about for name, about in shape.properties.items() if about.since <= self._version}
        judges = {name: self._property(p, p.requirement or shape.section) for name, p in known.items()}
        required = {name: p.requirement or shape.section for name, p in known.items() if p.required}
        others = (_missing(required), *CROSS_CHECKS.get(kind, ()), *((_needed(shape),) if shape.needs else ()))
        unknown = shape.requirement or "XAPI-00008"

        def judge(value: object) -> Failing:
            if not isinstance(value, dict):
                return (("", requirement, "must be an object"),)
            found: list[tuple[str, str, str]] = []
            for name, part in value.items():
                inner = judges.get(name)
                if inner is None:
                    found.append((_name(name), unknown, "is no property that stands here; check its spelling and case"))
                elif failing := inner(part):
                    found.extend(_below(name, failing) if part is not None else [(name, NO_NULL, "must not be null")])
            for check in others:
                if failing := check(value):
                    found.extend(failing)
            return found or NO_FAULTS

        return judge

    def _property(self, about: Property, requirement: str) -> Judge:
        if about.one_of:
            return functools.partial(_one_of, frozenset(about.one_of), requirement)
        if about.each is not None:
            return functools.partial(_each, self.of(about.each, requirement), about.not_empty, requirement)
        return self.of(str(about.kind), requirement)

    def _by_type(self, requirement: str, default: str, allowed: tuple[str, ...], kind: str = "") -> Judge:
        judges = {name: self.of(OBJECT_KINDS[name], requirement) for name in allowed}
        others = CROSS_CHECKS.get(kind, ())

        def judge(value: object) -> Failing:
            if not isinstance(value, dict):
                return (("", requirement, "must be an object"),)
            name = value.get("objectType", default)
            inner = judges.get(name) if isinstance(name, str) else None
            if inner is None:
                return (("objectType", OBJECT_TYPES[default], f"must be one of {', '.join(judges)}"),)
            found = [*inner(value), *(fault for check in others for fault in check(value))]
            return found or NO_FAULTS

        return judge

    def _activities(self, requirement: str) -> Judge:
        one = self.of("activity", requirement)
        many = functools.partial(_each, one, False, requirement)  # noqa: FBT003 - may be empty
        return lambda value: many(value) if isinstance(value, list) else one(value)

    def _language_map(self, requirement: str) -> Judge:
        return functools.partial(_language_map, self.of("language", "XAPI-00013"), requirement)

    def _extensions(self, requirement: str) -> Judge:
        return functools.partial(_extensions, self.of("iri", "XAPI-00118"), requirement)


OBJECT_KINDS = {
    "Activity": "activity",
    "Agent": "agent_only",
    "Group": "group_only",
    "StatementRef": "statement_ref",
    "SubStatement": "sub_statement",
}
OBJECT_TYPES = {"Activity": "XAPI-00046", "Agent": "XAPI-00031"}
"""Which requirement names the allowed kinds, by the kind meant where none is given."""
NO_NULL = "XAPI-00001"


def _typed(wanted: type, says: str) -> Callable[[str], Judge]:
    def build(requirement: str) -> Judge:
        failing = (("", requirement, says),)
        return lambda value: NO_FAULTS if isinstance(value, wanted) else failing

    return build


def _number(requirement: str, value: object) -> Failing:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return NO_FAULTS
    return (("", requirement, "must be a number"),)


def _count(requirement: str, value: object) -> Failing:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return NO_FAULTS
    return (("", requirement, "must be a whole number from 0"),)


def _one_of(allowed: frozenset[str], requirement: str, value: object) -> Failing:
    if isinstance(value, str) and value in allowed:
        return NO_FAULTS
    return (("", requirement, f"must be one of {', '.join(sorted(allowed))}"),)


def _each(judge: Judge, not_empty: bool, requirement: str, value: object) -> Failing:  # noqa: FBT001 - bound by name
    if not isinstance(value, list):
        return (("", requirement, "must be a list"),)
    if not_empty and not value:
        return (("", requirement, "must not be empty"),)
    found: list[tuple[str, str, str]] = []
    for position, part in enumerate(value):
        if failing := judge(part):
            found.extend(_below(str(position), failing))
    return found or NO_FAULTS


def _language_map(tag: Judge, requirement: str, value: object) -> Failing:
    if not isinstance(value, dict):
        return (("", requirement, "must be an object of language tags and texts"),)
    found: list[tuple[str, str, str]] = []
    for name, text in value.items():
        if failing := tag(name):
            found.extend(_below(_name(name), failing))
        if not isinstance(text, str):
            found.append((_name(name), requirement, "must be text"))
    return found or NO_FAULTS


def _extensions(iri: Judge, requirement: str, value: object) -> Failing:
    if not isinstance(value, dict):
        return (("", requirement, "must be an object"),)
    found: list[tuple[str, str, str]] = []
    for name in value:
        if failing := iri(name):
            found.extend(_below(_name(name), failing))
    return found or NO_FAULTS


def _format(about: Format, version: XapiVersion, requirement: str) -> Judge:
    fits = re.compile(about.pattern_of(version)).fullmatch
    failing = (("", requirement, f"must be {about.says}"),)

    def judge(value: object) -> Failing:
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            return failing
        match = fits(value)
        return NO_FAULTS if match and (not about.calendar or _in_calendar(match)) else failing

    return judge


def _in_calendar(match: re.Match[str]) -> bool:
    day, moment = match["day"].replace("-", ""), (match["time"] or "00").replace(":", "")
    try:
        date(int(day[:4]), int(day[4:6]), int(day[6:8]))
        time(int(moment[:2]), int(moment[2:4] or 0), min(int(moment[4:6] or 0), 59))
    except ValueError:
        return False
    return int(moment[4:6] or 0) <= 60  # a leap second


def _missing(required: Mapping[str, str]) -> Callable[[Value], Failing]:
    names = required.keys()

    def check(value: Value) -> Failing:
        if names <= value.keys():
            return NO_FAULTS
        return [(name, requirement, "is missing") for name, requirement in required.items() if name not in value]

    return check


def _needed(shape: Shape) -> Callable[[Value], Failing]:
    def check(value: Value) -> Failing:
        return [
            (name, shape.section, f"is missing beside {other}")
            for name, others in shape.needs.items()
            if name not in value
            for other in others
            if other in value
        ]

    return check


def _below(name: str, failing: Failing) -> list[tuple[str, str, str]]:
    return [(f"{name}.{path}" if path else name, requirement, message) for path, requirement, message in failing]


def _name(name: str) -> str:
    # A property's name is written by whoever sent the statement; what is no plain name is not repeated.
    return name if name in IDENTIFIERS or re.fullmatch(r"[A-Za-z][A-Za-z_-]{0,40}", name) else "(a name)"
