"""Renders the page that says what each table promises."""

from collections.abc import Iterator

from lakehouse.tables.expectations.book import Expectations
from lakehouse.tables.expectations.kinds import Expectation, Fresh, TableExpectations
from lakehouse.tables.expectations.wording import promised

MARK = "<!-- promises -->"
END = "<!-- /promises -->"


def render(page: str, expectations: Expectations) -> str:
    """Return the page with the part between its marks made anew.

    Raises:
        ValueError: the page has no such marks.
    """
    head, rest = page.split(MARK)
    _, tail = rest.split(END)
    return f"{head}{MARK}\n{_tables(expectations)}\n{END}{tail}"


def render_alone(expectations: Expectations) -> str:
    """Return a page of its own that says what is promised, and by which state of the files."""
    return f"# What each table promises\n\nExpectations {expectations.version}.\n\n{_tables(expectations)}"


def _tables(expectations: Expectations) -> str:
    return "\n".join(line for name, table in sorted(expectations.tables.items()) for line in _table(name, table))


def _table(name: str, table: TableExpectations) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield f"{table.about} Owner: {table.owner}."
    yield ""
    yield "| code | promise | when broken | why |"
    yield "| --- | --- | --- | --- |"
    for code, one in table.expect.items():
        yield f"| `{code}` | {_cell(promised(one))} | {_consequence(name, one)} | {_cell(one.reason)} |"
    yield ""


def _consequence(name: str, one: Expectation) -> str:
    if isinstance(one, Fresh) and one.severity == "error" and not name.startswith("silver."):
        return "told daily as an error"
    return {
        "error": "nothing is published",
        "quarantine": "the row is set aside; too many, and nothing is published",
        "warning": "a warning",
    }[one.severity]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
