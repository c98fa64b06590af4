"""A chain from a figure back to its data as an RO-Crate 1.1: every link an entity, every step a relation."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from lakehouse.archive.metadata.new_folder import made_whole, require_new
from lakehouse.archive.metadata.ro_crate import CONTEXT, FILE_NAME, SPECIFICATION, Node
from lakehouse.archive.metadata.wording import filled, json_bytes, licence_url
from lakehouse.lineage import Link, as_json, as_text, shown, walk

TREE, CHAIN = "explanation.txt", "explanation.json"

# How each kind of link is typed, and the property by which what was made of it refers to it (schema.org).
_KINDS = MappingProxyType(
    {
        "prediction": ("CreativeWork", "isBasedOn"),
        "row": ("CreativeWork", "isBasedOn"),
        "view": ("CreativeWork", "isBasedOn"),
        "model version": ("SoftwareApplication", "isBasedOn"),
        "model form": ("SoftwareApplication", "isBasedOn"),
        "classifier version": ("SoftwareApplication", "isBasedOn"),
        "model that answers version": ("SoftwareApplication", "isBasedOn"),
        "checkpoint of the hub": ("SoftwareApplication", "isBasedOn"),
        "checkpoint of a folder": ("SoftwareApplication", "isBasedOn"),
        "dataset version": ("CreativeWork", "isBasedOn"),
        "Iceberg snapshot": ("CreativeWork", "isBasedOn"),
        "table": ("CreativeWork", "isBasedOn"),
        "learned from": ("CreativeWork", "isBasedOn"),
        "held-out document": ("CreativeWork", "isBasedOn"),
        "code commit": ("SoftwareSourceCode", "isBasedOn"),
        "environment": ("SoftwareApplication", "mentions"),
        "recipe": ("CreativeWork", "mentions"),
        "evaluation": ("CreativeWork", "subjectOf"),
        "tests": ("CreativeWork", "subjectOf"),
        "judgement": ("CreativeWork", "subjectOf"),
        "decision": ("CreativeWork", "subjectOf"),
        "run": ("CreateAction", "mentions"),
        "release": ("CreativeWork", "mentions"),
        "person responsible": ("Person", "accountablePerson"),
        "creator": ("Person", "creator"),
        "publisher": ("Organization", "publisher"),
    }
)
_MADE_WITH = ("code commit", "environment", "recipe")
_MADE_FROM = ("Iceberg snapshot", "dataset version", "held-out document")


def write_crate(link: Link, into: Path) -> list[str]:
    """Write a chain to a new folder: the crate's metadata, and the same as a tree and as JSON. Return the file names.

    Raises:
        OutputExistsError: `into` is there already and not an empty folder.
    """
    require_new(into, "--crate")
    files = {
        TREE: (as_text(link) + "\n").encode(),
        CHAIN: (json.dumps(as_json(link), indent=1, ensure_ascii=False) + "\n").encode(),
    }
    files[FILE_NAME] = json_bytes(document(link, files, datetime.now(UTC)))
    with made_whole(into) as work:
        for name, body in files.items():
            (work / name).write_bytes(body)
    return sorted(files)


def document(link: Link, files: dict[str, bytes], written_at: datetime) -> dict[str, object]:
    """Return the crate's JSON-LD for a chain and the files that tell it; `written_at` is in UTC."""
    nodes: dict[str, Node] = {}
    for node in (_descriptor(), _root(link, files, written_at), *_files(files), *_licences(link), *_entities(link)):
        known = nodes.get(str(node["@id"]))
        # What several links lead to is told once, by the fullest of them: inside a run it has no parts.
        if known is None or len(node) > len(known):
            nodes[str(node["@id"])] = node
    return {"@context": CONTEXT, "@graph": [_single(node) for node in nodes.values()]}


def _single(node: Node) -> Node:
    lone = {name: value[0] for name, value in node.items() if isinstance(value, list) and len(value) == 1}
    return {**node, **lone}


def _descriptor() -> Node:
    conforms = {"@id": SPECIFICATION}
    return {"@id": FILE_NAME, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": conforms}


def _root(link: Link, files: dict[str, bytes], written_at: datetime) -> Node:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Where {link.kind} {link.name} comes from",
        "description": "The data, code, model, run and people behind it, as a lakehouse recorded them. What could no "
        "longer be had when this was written says so in creativeWorkStatus.",
        "datePublished": written_at.isoformat(timespec="seconds"),
        "license": [{"@id": _licence_id(said)} for said in _stated(link)],
        "mainEntity": {"@id": _id(link)},
        "mentions": [{"@id": each} for each in dict.fromkeys(_id(every) for every in walk(link))],
        "hasPart": [{"@id": name} for name in files],
    }


def _files(files: dict[str, bytes]) -> Iterator[Node]:
    for name, body in files.items():
        form = "text/plain" if name == TREE else "application/json"
        yield {
            "@id": name,
            "@type": "File",
            "name": name,
            "description": "The chain as a tree for people." if name == TREE else "The chain as JSON, in full.",
            "encodingFormat": form,
            "contentSize": str(len(body)),
            "sha256": hashlib.sha256(body).hexdigest(),
        }


def _stated(link: Link) -> list[str]:
    """The licences of the data in the chain; the text that none is stated where none is."""
    found = {str(each.facts["licence"]) for each in walk(link) if each.facts.get("licence")}
    return sorted(found) or ["none-stated"]


def _licence_id(said: str) -> str:
    return licence_url(said) or f"#licence-{quote(said, safe='')}"


def _licences(link: Link) -> Iterator[Node]:
    for said in _stated(link):
        name = "No licence is stated" if said == "none-stated" else said
        about = "What is said here about the data; the data themselves are not in the crate."
        yield {"@id": _licence_id(said), "@type": "CreativeWork", "name": name, "description": f"{name}. {about}"}


def _id(link: Link) -> str:
    return f"#{quote(link.kind, safe='')}-{quote(link.name, safe='')}"


def _entities(link: Link) -> Iterator[Node]:
    for each in walk(link):
        yield _entity(each)
        yield from _values(each)
        yield from _actions(each)


def _entity(link: Link) -> Node:
    node: Node = {
        "@id": _id(link),
        "@type": _KINDS[link.kind][0],
        "name": f"{link.kind} {link.name}",
        "description": f"Read from {link.record}.",
        "identifier": link.name,
        "creativeWorkStatus": _status(link),
        "license": {"@id": _licence_id(str(link.facts["licence"]))} if link.facts.get("licence") else None,
        "additionalProperty": [{"@id": _value_id(link, name)} for name in link.facts],
    }
    for part in link.parts:
        relation = _KINDS[part.kind][1]
        mine = node.setdefault(relation, [])
        assert isinstance(mine, list), "only lists are made under these names"
        mine.append({"@id": _id(part)})
    return filled(node)


def _status(link: Link) -> str | None:
    if link.unknown:
        return f"never recorded: {link.unknown}"
    return f"gone: {link.gone}" if link.gone else None


def _value_id(link: Link, name: str) -> str:
    return f"{_id(link)}/{quote(name, safe='')}"


def _values(link: Link) -> Iterator[Node]:
    for name, value in link.facts.items():
        said = shown(None) if value is None else value
        yield {"@id": _value_id(link, name), "@type": "PropertyValue", "name": name, "value": said}


def _actions(link: Link) -> Iterator[Node]:
    """The runs that made this link, with what they used and what came of it."""
    for part in link.parts:
        if part.kind != "run":
            continue
        used = [{"@id": _id(each)} for each in link.parts if each.kind in _MADE_WITH]
        took = [{"@id": _id(each)} for each in link.parts if each.kind in _MADE_FROM]
        yield filled({**_entity(part), "instrument": used, "object": took, "result": [{"@id": _id(link)}]})
