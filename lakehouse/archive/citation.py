"""How to cite a dataset version: as a sentence, and for BibTeX, RIS and CSL."""

import re

from lakehouse.archive.eds import Creator
from lakehouse.archive.metadata.source import Record
from lakehouse.archive.metadata.wording import filled, is_person, json_bytes

TEXT_FILE, BIBTEX_FILE, RIS_FILE, CSL_FILE = "citation.txt", "citation.bib", "citation.ris", "citation.csl.json"
# One pass over the text, so that no backslash of one replacement is escaped by another.
BIBTEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{letter: f"\\{letter}" for letter in "&%$#_"},
}


def export(record: Record) -> dict[str, bytes]:
    """Return the citation in every form."""
    return {
        TEXT_FILE: (sentence(record) + "\n").encode(),
        BIBTEX_FILE: bibtex(record).encode(),
        RIS_FILE: ris(record).encode(),
        CSL_FILE: json_bytes(csl(record)),
    }


def sentence(record: Record) -> str:
    """Return the citation as DataCite recommends it: creators (year): title. Version. Publisher. Type. Address.

    Where neither creators nor a publisher are known, the title stands in their place.
    """
    names = "; ".join(creator.name for creator in record.description.creators) or record.description.publisher
    publisher, title, year = record.description.publisher, record.description.title, record.created_at.year
    parts = [
        f"{names} ({year}): {_ended(title)}" if names else f"{title} ({year}).",
        f"Version {record.version}.",
        _ended(publisher) if publisher else "",
        "[Data set].",
        *cited(record),
    ]
    return _line(" ".join(part for part in parts if part))


def cited(record: Record) -> list[str]:
    """Return what leads to the version: the address of its identifier, or the identifier and the page's address."""
    first = record.identifiers[0] if record.identifiers else None
    if first is not None and first.url:
        return [first.url]
    return [part for part in (f"{first.value}." if first else None, record.url) if part]


def bibtex(record: Record) -> str:
    """Return a BibTeX entry."""
    description = record.description
    entries = {
        "author": " and ".join(f"{{{_escaped(creator.name)}}}" for creator in description.creators),
        "title": f"{{{_escaped(description.title)}}}",
        "year": str(record.created_at.year),
        "version": _escaped(record.version),
        "publisher": _escaped(description.publisher or ""),
        "note": _escaped("; ".join(["Data set", *(each.value for each in record.identifiers)])),
        "url": record.url or "",
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in entries.items() if value)
    return f"@misc{{{description.name}_{re.sub('[^a-z0-9]', '_', record.version)},\n{lines}\n}}\n"


def ris(record: Record) -> str:
    """Return a RIS record."""
    description = record.description
    doi = next((each.value for each in record.identifiers if each.scheme == "DOI"), None)
    tags = [
        ("TY", "DATA"),
        *(("AU", creator.name) for creator in description.creators),
        ("TI", description.title),
        ("PY", str(record.created_at.year)),
        ("DA", record.created_at.strftime("%Y/%m/%d")),
        ("PB", description.publisher),
        ("ET", record.version),
        ("LA", description.language),
        ("AB", description.description),
        *(("KW", keyword) for keyword in description.keywords),
        ("DO", doi),
        ("ID", record.identifiers[0].value if record.identifiers else record.key),
        ("UR", record.url),
        ("ER", ""),
    ]
    return "".join(f"{tag}  - {_line(value)}\r\n" for tag, value in tags if value is not None)


def csl(record: Record) -> dict[str, object]:
    """Return an item for citation processors (CSL-JSON)."""
    description, saved = record.description, record.created_at
    return filled(
        {
            "id": record.key,
            "type": "dataset",
            "title": description.title,
            "author": [_name(creator) for creator in description.creators],
            "issued": {"date-parts": [[saved.year, saved.month, saved.day]]},
            "version": record.version,
            "publisher": description.publisher,
            "abstract": description.description,
            "language": description.language,
            "DOI": next((each.value for each in record.identifiers if each.scheme == "DOI"), None),
            "URL": record.url,
        }
    )


def _name(creator: Creator) -> dict[str, object]:
    family, comma, given = creator.name.partition(",")
    if comma and is_person(creator):
        return {"family": family.strip(), "given": given.strip()}
    return {"literal": creator.name}


def _ended(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _escaped(text: str) -> str:
    return "".join(BIBTEX_ESCAPES.get(letter, letter) for letter in _line(text))


def _line(text: str) -> str:
    return " ".join(text.split())
