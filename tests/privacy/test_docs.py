"""The page about privacy says what the rules say; `python tests/privacy/test_docs.py` writes its table anew."""

from pathlib import Path

from lakehouse.archive.privacy.kinds import identifier_classes, identifiers

PAGE = Path(__file__).parents[2] / "docs" / "flow" / "privacy.md"
BEGIN, END = "<!-- kinds -->\n", "<!-- /kinds -->"


def rendered() -> str:
    classes = identifier_classes()
    lines = ["| kind | serves | found | level | why |", "| --- | --- | --- | --- | --- |"]
    for one in identifiers().values():
        serves = "; ".join(f"{classes[name].law}: {classes[name].title}" for name in one.classes)
        ways = [
            *(["anywhere"] if one.pattern and one.where == "everywhere" else []),
            *(["in texts"] if one.pattern and one.where == "texts" else []),
            *(["after a word"] if one.cue_pattern else []),
            *(["by the column"] if one.context_pattern else []),
            *(["lists and tagger"] if one.judged_by == "names" else []),
        ]
        level = "error" if one.may_refuse else ("warning" if one.certainty == "direct" else "note")
        lines.append(f"| {one.title} | {serves} | {', '.join(ways)} | {level} | {one.reason} |")
    return "\n".join(lines) + "\n"


def with_table(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + rendered() + END + rest.partition(END)[2]


def test_the_table_of_kinds_is_current():
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page, "run `python tests/privacy/test_docs.py`"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
