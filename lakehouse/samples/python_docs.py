"""Python's own documentation as a submission of texts, gathered from the interpreter that runs this."""

import ast
import inspect
import json
import platform
import pydoc_data.topics
import re
import shutil
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

LEAST_BYTES = 200
# With the topics (0.5 MB) below 3 MB whatever the library grows to; Python 3.11 to 3.13 have 1.9 MB in all.
DOCSTRING_BUDGET_BYTES = 2_300_000
SKIPPED_FOLDERS = frozenset({"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"})

Texts = dict[str, tuple[str, str]]


def write(into: Path) -> Path:
    """Write the dataset folder and return it; an older one there is replaced. The order is always the same."""
    folder = into / "python_docs"
    shutil.rmtree(folder, ignore_errors=True)
    seen: set[str] = set()
    topics = _distinct(_topics(), seen)
    docstrings = _bounded(_distinct(_docstrings(Path(sysconfig.get_path("stdlib"))), seen))
    _write_collection(folder, "topics", "Language topics of Python's help()", topics)
    _write_collection(folder, "docstrings", "Docstrings of Python's standard library", docstrings)
    (folder / "dataset.yaml").write_text(_description(), encoding="utf-8")
    return folder


def version_label() -> str:
    """Return the interpreter's version with letters that a version label may have."""
    return re.sub(r"[^a-z0-9._-]", "-", platform.python_version().lower())


def _topics() -> Iterator[tuple[str, str, str]]:
    for name, text in sorted(pydoc_data.topics.topics.items()):
        yield name, f"help topic: {name}", text


def _docstrings(stdlib: Path) -> Iterator[tuple[str, str, str]]:
    for path in sorted(stdlib.rglob("*.py")):
        parts = path.relative_to(stdlib).with_suffix("").parts
        if SKIPPED_FOLDERS.isdisjoint(parts):
            module = ".".join(part for part in parts if part != "__init__")
            yield from _documented(_parsed(path), module)


def _parsed(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        # Escapes that a later Python will refuse warn when they are parsed, and nobody here can mend them.
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return ast.parse(path.read_text(encoding="utf-8", errors="replace"))


def _documented(node: ast.AST, name: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        docstring = ast.get_docstring(node, clean=False)
        if docstring:
            yield name, name, inspect.cleandoc(docstring)
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _documented(child, f"{name}.{child.name}")


def _distinct(documents: Iterator[tuple[str, str, str]], seen: set[str]) -> Texts:
    kept: Texts = {}
    for name, title, text in documents:
        normal = " ".join(text.split()).lower()
        if len(text.encode()) >= LEAST_BYTES and normal not in seen and name not in kept:
            seen.add(normal)
            kept[name] = (title, text)
    return kept


def _bounded(texts: Texts) -> Texts:
    kept: Texts = {}
    left = DOCSTRING_BUDGET_BYTES
    for name, (title, text) in texts.items():
        left -= len(text.encode())
        if left < 0:
            break
        kept[name] = (title, text)
    return kept


def _write_collection(folder: Path, name: str, title: str, texts: Texts) -> None:
    collection = folder / "texts" / name
    collection.mkdir(parents=True)
    lines = [json.dumps({"id": i, "title": t, "text": x}, ensure_ascii=False) + "\n" for i, (t, x) in texts.items()]
    (collection / "documents.jsonl").write_text("".join(lines), encoding="utf-8")
    about = f'title: "{title}"\ndescription: "{title}, Python {platform.python_version()}."\nlanguage: en\n'
    (collection / "collection.yaml").write_text(about, encoding="utf-8")


def _description() -> str:
    python = platform.python_version()
    minor = ".".join(python.split(".")[:2])
    return f"""\
eds_version: "1.0"
name: python_docs
version: "{version_label()}"
title: "Documentation of Python {python}"
description: >-
  The language topics of Python's help() and the docstrings of its standard library, one document each, without
  documents under {LEAST_BYTES} bytes and without repetitions.
accumulates: snapshots
licence: PSF-2.0
creators:
  - name: Python Software Foundation and contributors
    identifier: https://www.python.org/psf-landing/
contact:
  name: Python documentation
  url: https://docs.python.org/{minor}/bugs.html
publisher: Python Software Foundation
keywords: [Python, programming, documentation, teaching]
source_url: https://docs.python.org/{minor}/
derived_from:
  - "CPython {python}: pydoc_data/topics.py and the standard library's source files"
language: en
provenance:
  how_made: >-
    Read from the interpreter that wrote this folder: help topics as they are, docstrings by parsing the source files
    without running them, in the order of their names, up to {DOCSTRING_BUDGET_BYTES} bytes.
  software:
    - {{name: "{platform.python_implementation()}", version: "{python}"}}
terms:
  access: open
  attribution: "Copyright Python Software Foundation; all rights reserved. Used under the PSF License Agreement."
consent: {{basis: not_personal}}
related:
  - {{identifier: "https://docs.python.org/{minor}/", relation: IsDerivedFrom}}
"""
