"""The pages of the standard under ``docs/eds``: prose written by hand, tables made from types, rules and packs."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lakehouse.archive import eds, event_tables, packs_model, schemas
from lakehouse.archive.levels import spoken
from lakehouse.archive.packs_checks import ASKED, CHECKS
from lakehouse.archive.packs_model import Pack, PackField
from lakehouse.archive.rule_packs import load_packs
from lakehouse.archive.rulebook import RULES_FOLDER, Rule, rules
from lakehouse.archive.strict_yaml import read_yaml
from lakehouse.archive.xapi_shape import Property, shapes
from lakehouse.policy.purposes import purposes

FOLDER = "eds"
WRITTEN = {
    eds.SLUG: "name",
    r"^[a-z0-9][a-z0-9._-]{0,63}$": "version label",
    r"^https?://\S+$": "web address",
    r"^[^@\s]+@[^@\s]+$": "e-mail address",
    r"^\d{4}(-\d{2}(-\d{2})?)?$": "`2024`, `2024-01` or `2024-01-31`",
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$": "language tag",
    r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$": "`table.column`",
    r"^(events/)?[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$": "`table.column` or `events/log.actor`",
}
"""How pages speak of the patterns in the types."""
BLOCK = re.compile(r"(<!-- made: (?P<kind>[a-z_]+)(?: (?P<of>[\w.]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
MODELS = {
    model.__name__: model
    for model in (
        eds.DatasetFile,
        eds.Creator,
        eds.Contact,
        eds.Period,
        eds.Software,
        eds.Making,
        eds.Terms,
        eds.Consent,
        eds.SubjectKind,
        eds.Funding,
        eds.Related,
        eds.TableFile,
        eds.ColumnDescription,
        eds.CollectionFile,
        eds.LogFile,
    )
}


def pages(docs: Path) -> dict[Path, str]:
    """Return every file of the standard as it should be, by its path; `docs` holds the pages with their prose."""
    folder = docs / FOLDER
    made = {path: render(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.md"))}
    return made | {folder / name: schemas.text(name) for name in schemas.FILES}


def render(page: str) -> str:
    """Return a page with every block between `made:` and `end` made anew."""
    return BLOCK.sub(_block, page)


def _block(match: re.Match[str]) -> str:
    return f"{match[1]}\n{BLOCKS[match['kind']](match['of'] or '')}\n{match[4]}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _fields(name: str) -> str:
    made = MODELS[name].model_json_schema()
    needed = made.get("required", [])
    meanings = schemas.meanings()[name]
    return _table(
        ("field", "needed", "value", "meaning"),
        (
            (f"`{field}`", "yes" if field in needed else "", _kind(about), meanings[field])
            for field, about in made["properties"].items()
        ),
    )


def _kind(about: Mapping[str, Any]) -> str:
    if "anyOf" in about:
        kinds = [_kind(one) for one in about["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in about:
        return f"[{about['$ref'].rsplit('/', 1)[-1]}](#{about['$ref'].rsplit('/', 1)[-1].lower()})"
    if "const" in about or "enum" in about:
        return ", ".join(f"`{_shown(word)}`" for word in about.get("enum", [about.get("const")]))
    if about["type"] == "array":
        return f"list of {_kind(about['items'])}"
    if about["type"] == "object":
        inner = next(iter(about.get("patternProperties", {}).values()), about.get("additionalProperties"))
        return f"name: {_kind(inner)}" if isinstance(inner, dict) and inner else "name: value"
    return _scalar(about)


def _scalar(about: Mapping[str, Any]) -> str:
    kind = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`"}.get(
        about["type"], about["type"]
    )
    if about.get("format") == "date":
        return "day, `2031-12-31`"
    if "pattern" in about:
        return WRITTEN.get(about["pattern"], f"{kind} like `{about['pattern']}`")
    return str(kind)


def _shown(word: str) -> str:
    return "tab" if word == "\t" else word


def _rules(file: str) -> str:
    read = read_yaml((RULES_FOLDER / file).read_bytes())
    assert isinstance(read, dict)
    return _rule_table({code: rules()[code] for code in read})


def _rule_table(found: Mapping[str, Rule]) -> str:
    return _table(
        ("code", "level", "what it says", "what to do"),
        ((f"`{code}`", rule.level, _plain(rule.message), _plain(rule.how_to_fix)) for code, rule in found.items()),
    )


def _plain(message: str) -> str:
    return spoken(message).replace("{{", "{").replace("}}", "}")


def _purposes(_of: str) -> str:
    return _table(
        ("code", "means", "includes", "DUO"),
        (
            (f"`{code}`", f"{one.title}. {one.description}", ", ".join(one.includes), one.duo or "")
            for code, one in purposes().items()
        ),
    )


def _statement(_of: str) -> str:
    parts = []
    for name, shape in shapes().objects.items():
        rows = (
            (f"`{field}`", _asked(about), about.requirement or shape.section)
            for field, about in shape.properties.items()
        )
        parts.append(
            f"**{name.replace('_', ' ')}** ({shape.section})\n\n{_table(('property', 'value', 'requirement'), rows)}"
        )
    return "\n".join(parts)


def _asked(about: Property) -> str:
    if about.one_of:
        value = ", ".join(f"`{word}`" for word in about.one_of)
    else:
        kind = str(about.each or about.kind)
        says = shapes().formats[kind].says if kind in shapes().formats else kind.replace("_", " ")
        value = f"list of: {says}" if about.each else says
    return (
        value + (", required" if about.required else "") + (f", from {about.since}" if about.since != "1.0.3" else "")
    )


def _log_columns(_of: str) -> str:
    return _table(
        ("column", "type", "meaning"),
        ((f"`{c.name}`", str(c.type), c.doc) for c in event_tables.PARTS),
    )


def _pack_checks(_of: str) -> str:
    return _table(
        ("check", "parameters", "finds"),
        (
            (f"`{name}`", ", ".join(f"`{p}`" for p in ASKED[name].model_fields), str(check.__doc__))
            for name, check in CHECKS.items()
            if ASKED[name].model_fields
        ),
    )


def _pack_fields(_of: str) -> str:
    made = PackField.model_json_schema()["properties"]
    types = ", ".join(f"`{kind}` ({packs_model.SPOKEN[kind]})" for kind in packs_model.SPOKEN)
    return f"A field has {', '.join(f'`{name}`' for name in made)}. The types are {types}.\n"


def _packs(_of: str) -> str:
    return "\n".join(_pack(pack) for pack in load_packs().by_name.values())


def _pack(pack: Pack) -> str:
    fields = _table(
        ("field", "needed", "type", "words", "meaning"),
        (
            (f"`{name}`", "yes" if one.required else "", one.type, _words(one), one.description)
            for name, one in pack.fields.items()
        ),
    )
    lists = "".join(
        f"Vocabulary `{name}`: {'; '.join(f'`{code}` {meaning}' for code, meaning in words.items())}.\n\n"
        for name, words in pack.vocabularies.items()
    )
    head = f"### {pack.name} {pack.version}: {pack.title}\n\n{pack.description}"
    return f"{head}\n\n{fields}\n{lists}{_rule_table(pack.rules)}"


def _words(field: PackField) -> str:
    if field.vocabulary is not None:
        return f"`{field.vocabulary}`"
    return ", ".join(f"`{word}`" for word in field.levels) or (f"`{field.pattern}`" if field.pattern else "")


def _not_said(_of: str) -> str:
    return "".join(f"- {one}\n" for one in schemas.NOT_SAID)


BLOCKS: Mapping[str, Callable[[str], str]] = {
    "fields": _fields,
    "rules": _rules,
    "purposes": _purposes,
    "statement": _statement,
    "log_columns": _log_columns,
    "pack_checks": _pack_checks,
    "pack_fields": _pack_fields,
    "packs": _packs,
    "not_said": _not_said,
}
