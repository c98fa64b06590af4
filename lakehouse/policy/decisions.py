"""Decisions: may this user use this dataset for this purpose, which of its rows and columns, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from lakehouse.policy.licences import licence_asks
from lakehouse.policy.purposes import includes, outermost, purposes
from lakehouse.policy.rules import NO_RULES, Groups, Limits, Rules, rows_for
from lakehouse.policy.terms import UNASKED, ConsentTable, Part, Terms
from lakehouse.policy.users import User, Users


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether `user` may use `dataset` (or one `part` of it) for `purpose`, and why.

    Where `permitted`, `consent` tells whose rows are left out and `hidden_columns` which columns of each part show
    nothing, and `limits` how else a part is not shown as it is. `permits` are the widest purposes the dataset itself
    permits, `owed` what its users promise.
    """

    user: str
    purpose: str
    dataset: str
    part: str | None
    permitted: bool
    reason: str
    permits: tuple[str, ...] = ()
    consent: ConsentTable | None = None
    hidden_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owed: tuple[str, ...] = ()
    limits: Mapping[str, Limits] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """One sentence for the person who asked."""
        if not self.dataset:
            return f"user {self.user} may not ask for {self.purpose or 'anything'}: {self.reason}"
        if self.permitted:
            return f"dataset {self.dataset} may be used for {self.purpose}: {self.reason}"
        return f"dataset {self.dataset} may not be used for {self.purpose}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is known of users and of the terms of published datasets. `today` is fixed in tests only."""

    users: Users
    terms: Mapping[str, Terms]
    today: date | None = None
    rules: Rules = NO_RULES

    def refusal(self, user: str, purpose: str) -> Decision | None:
        """Return why a user may not ask for a purpose at all, whatever the dataset; None when that is possible."""
        reason = self._stated(self.users.get(user), purpose)
        return None if reason is None else Decision(user, purpose, "", None, permitted=False, reason=reason)

    def decide(self, user: str, purpose: str, dataset: str, part: str | None = None) -> Decision:
        """Return the decision on a dataset, or on one part of it; without a part, every part must be permitted."""
        terms, known = self.terms.get(dataset), self.users.get(user)
        if terms is None or (part is not None and part not in terms.parts):
            what = "no such dataset is published" if terms is None else f"it has no part {part}"
            return Decision(user, purpose, dataset, part, permitted=False, reason=what)
        asked = [part] if part is not None else list(terms.parts)
        refusal = self._stated(known, purpose) or self._reach(known, terms) or _unanswered(terms, asked)
        refusal = (
            refusal or _used(terms, purpose, asked) or self._kept(terms, purpose) or _uncounted(known, terms, asked)
        )
        known_rights = known.rights if known else frozenset()
        hidden = {} if "identifiers" in known_rights else {name: terms.parts[name].hidden_columns for name in asked}
        return Decision(
            user,
            purpose,
            dataset,
            part,
            permitted=refusal is None,
            reason=refusal or _grounds(terms, purpose, asked),
            permits=_permits(terms, asked),
            consent=terms.consent,
            hidden_columns={name: columns for name, columns in hidden.items() if columns},
            owed=_owed(terms, asked),
            limits={name: self._limits(known, dataset, terms.parts[name]) for name in asked},
        )

    def _limits(self, known: User | None, dataset: str, part: Part) -> Limits:
        rights = known.rights if known else frozenset()
        rule = self.rules.of(f"{dataset}_{part.name}")
        groups = None
        if part.is_personal and "rows" not in rights:
            groups = Groups(self.rules.smallest_group, part.person_columns, rule.dimensions)
        return Limits(
            masks={} if "identifiers" in rights else rule.masks,
            rows=rows_for(rule, known.roles if known else ()),
            groups=groups,
            names=part.names,
        )

    def _stated(self, known: User | None, purpose: str) -> str | None:
        if known is None:
            return "that user is not in policy.yaml"
        if purpose not in purposes():
            return f"there is no such purpose; there are {', '.join(purposes())}"
        if not known.may_state(purpose):
            return f"user {known.name} may ask for {', '.join(known.purposes)}"
        return None

    def _reach(self, known: User | None, terms: Terms) -> str | None:
        assert known is not None, "_stated refuses unknown users"
        if terms.access == "open" or "restricted" in known.rights or terms.dataset in known.datasets:
            return None
        if terms.access == "registered" and "registered" in known.rights:
            return None
        return f"its access is {terms.access} and user {known.name} has no such right"

    def _kept(self, terms: Terms, purpose: str) -> str | None:
        today = self.today or datetime.now(UTC).date()
        if terms.retention_until is None or today <= terms.retention_until or includes(UNASKED, purpose):
            return None
        return f"it was to be kept until {terms.retention_until.isoformat()}"


def _uncounted(known: User | None, terms: Terms, parts: list[str]) -> str | None:
    """Return why a part about people cannot be shown in groups of them; None where that is possible, or not needed."""
    if known is not None and "rows" in known.rights:
        return None
    nameless = [name for name in parts if terms.parts[name].is_personal and not terms.parts[name].person_columns]
    if not nameless:
        return None
    return (
        f"{nameless[0]} is about people and does not say which row is about whom, so groups of them cannot be counted"
    )


def _unanswered(terms: Terms, parts: list[str]) -> str | None:
    """Return why nobody of a part can be asked; None where they can, or need not be."""
    if terms.unanswered.isdisjoint(parts):
        return None
    return (
        "it is held because people agreed, and no table of answers says who agreed to what; hand in a version whose "
        "consent names one, or states another basis"
    )


def _used(terms: Terms, purpose: str, parts: list[str]) -> str | None:
    """Return why the terms or a licence do not permit the purpose; None when they do for all of the parts."""
    refused = [name for name in parts if not terms.permits(purpose, name)]
    if not refused:
        return None
    permitted = ", ".join(_permits(terms, refused)) or "nothing"
    if terms.purposes or terms.forbidden:
        return f"its terms permit {permitted}"
    licence = terms.parts[refused[0]].licence
    source = f"the licence {licence}" if licence else "no licence"
    where = "" if len(refused) == len(terms.parts) else f" of {', '.join(refused)}"
    return f"it states no purposes and {source}{where} permits {permitted}"


def _permits(terms: Terms, parts: list[str]) -> tuple[str, ...]:
    return outermost([code for code in purposes() if all(terms.permits(code, name) for name in parts)])


def _owed(terms: Terms, parts: list[str]) -> tuple[str, ...]:
    asked = sorted({duty.replace("_", " ") for name in parts for duty in licence_asks(terms.parts[name].licence)})
    said = [f"print: {terms.attribution}"] if terms.attribution else []
    return (*asked, *said, *([terms.conditions] if terms.conditions else []))


def _grounds(terms: Terms, purpose: str, parts: list[str]) -> str:
    if terms.purposes:
        return f"its terms permit {', '.join(terms.purposes)}"
    if includes(UNASKED, purpose):
        return "the archive could not run without"
    licences = sorted({str(terms.parts[name].licence) for name in parts})
    return f"it states no purposes and its licence {', '.join(licences)} allows it"
