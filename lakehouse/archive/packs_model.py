"""Rule packs as types: the fields of a discipline, its vocabularies and its rules; data only, never code."""

import string
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lakehouse.archive.eds import Bound, Slug, Words
from lakehouse.archive.patterns import is_pattern, matching
from lakehouse.archive.rulebook import Code, Rule, rules

FieldType = Literal["text", "integer", "number", "boolean", "list", "columns"]
JSON_TYPES: dict[FieldType, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    "columns": {
        "type": "array",
        "items": {"type": "string", "pattern": "^[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*$"},
        "uniqueItems": True,
    },
}
COLUMN_PLACE = r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*"
FACTS = ("place", "count", "row")
PACK_FACTS = (*FACTS, "field", "column", "table", "expected", "reason")
LONGEST_VOCABULARY = 10_000


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackField(_Data):
    """A field that datasets of the discipline fill in.

    A `list` holds texts, `columns` holds places `table.column` of the dataset. `levels` are the allowed words,
    `vocabulary` names a list of them in the pack; a `pattern` is an RE2 expression that the whole text must match.
    """

    type: FieldType
    description: Words
    required: bool = False
    levels: Mapping[str, str] | tuple[str, ...] = ()
    vocabulary: Slug | None = None
    pattern: Annotated[str, Field(max_length=500)] | None = None
    minimum: Bound | None = None
    maximum: Bound | None = None

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        of_text = bool(self.levels) or self.vocabulary is not None or self.pattern is not None
        if of_text and self.type not in ("text", "list"):
            raise ValueError(f"levels, vocabulary and pattern need type text or list, not {self.type}")
        if (self.minimum is not None or self.maximum is not None) and self.type not in ("integer", "number"):
            raise ValueError(f"minimum and maximum need type integer or number, not {self.type}")
        if self.pattern is not None and not is_pattern(self.pattern):
            raise ValueError(f"the pattern {self.pattern!r} is no RE2 expression")
        return self


class PackRule(Rule):
    """A rule of a pack: any check of the archive, or one of those for packs (selector `pack`)."""

    @model_validator(mode="after")
    def _words_are_plain(self) -> Self:
        allowed = PACK_FACTS if self.selector == "pack" else FACTS
        for name in ("message", "how_to_fix"):
            _refuse_format(name, getattr(self, name), allowed)
        return self


def _refuse_format(field: str, text: str, allowed: tuple[str, ...]) -> None:
    # A format string can reach into objects and ask for gigabytes of padding; only names and words are let through.
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{field} is no message: {error}; write braces that are meant as {{{{ and }}}}") from error
    for _, name, form, conversion in parts:
        if name is not None and (name not in allowed or conversion or not _is_words(form or "")):
            raise ValueError(f"{field} names {{{name}}}; a message may name {', '.join(allowed)}")


def _is_words(form: str) -> bool:
    return all(part == "" or part.isalpha() for part in form.split("|"))


class Pack(_Data):
    """The fields of ``pack.yaml``."""

    name: Slug
    title: Words
    discipline: Words
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$")]
    description: Words | None = None
    source: Words | None = None
    vocabularies: Mapping[Slug, Mapping[str, str]] = Field(default_factory=dict)
    fields: Mapping[Slug, PackField] = Field(default_factory=dict)
    rules: Mapping[Code, PackRule] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        for name, field in self.fields.items():
            if field.vocabulary is not None and field.vocabulary not in self.vocabularies:
                yield f"fields.{name}.vocabulary is '{field.vocabulary}', which is not among the vocabularies"
        for name, words in self.vocabularies.items():
            if not 0 < len(words) <= LONGEST_VOCABULARY:
                yield f"vocabularies.{name} has {len(words)} words; 1 to {LONGEST_VOCABULARY} are taken"
        prefix = f"{self.name.upper()}_"
        for code in self.rules:
            if not code.startswith(prefix) or code in rules():
                yield f"rules.{code} must begin with {prefix} and be no code of the archive"

    def levels(self, field: PackField) -> tuple[str, ...]:
        """Return the words a field allows; empty when any is."""
        return tuple(self.vocabularies[field.vocabulary] if field.vocabulary else field.levels)

    def fault(self, name: str, value: object) -> str:
        """Return what is wrong with a field's value, or nothing; the value itself is never repeated."""
        field = self.fields[name]
        if not _is_of(field.type, value):
            return f"must be {SPOKEN[field.type]}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _out_of_range(field, value)
        texts = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
        allowed = self.levels(field)
        if allowed and not set(texts) <= set(allowed):
            return f"must be one of {', '.join(allowed)[:200]}"
        if field.pattern is not None and not all(matching(field.pattern, texts)):
            return f"must match {field.pattern}"
        return ""

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the pack's fields, for editors and other programs."""
        properties: dict[str, Any] = {}
        for name, field in self.fields.items():
            schema: dict[str, Any] = {**JSON_TYPES[field.type], "description": field.description}
            texts: dict[str, Any] = {"enum": list(self.levels(field))} if self.levels(field) else {}
            if field.pattern is not None:
                texts["pattern"] = f"^(?:{field.pattern})$"
            if field.type == "list":
                schema["items"] = {**schema["items"], **texts}
            else:
                schema |= texts
            schema |= {key: n for key, n in (("minimum", field.minimum), ("maximum", field.maximum)) if n is not None}
            properties[name] = schema
        required = [name for name, field in self.fields.items() if field.required]
        return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


SPOKEN: dict[FieldType, str] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list of texts without repetitions",
    "columns": "a list of places table.column without repetitions",
}


def _is_of(kind: FieldType, value: object) -> bool:
    match kind:
        case "text":
            return isinstance(value, str) and bool(value.strip())
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "list":
            return _are_texts(value)
        case "columns":
            return _are_texts(value) and isinstance(value, list | tuple) and all(matching(COLUMN_PLACE, list(value)))


def _are_texts(value: object) -> bool:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        return False
    return len(set(value)) == len(value)


def _out_of_range(field: PackField, value: float) -> str:
    low, high = field.minimum, field.maximum
    if (low is None or value >= low) and (high is None or value <= high):
        return ""
    return f"must lie between {'any' if low is None else low} and {'any' if high is None else high}"
