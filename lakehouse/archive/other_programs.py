"""Files of programs that are not read here: what they are, told by their ending, and how to hand in what they hold."""

from pathlib import Path

from lakehouse.errors import UnreadableSubmissionError

SHEETS = "save each sheet as CSV (UTF-8), and describe or hand in those"
EXPORT = "export each table as CSV (UTF-8), and describe or hand in those"
# Spreadsheets and office documents are zip archives, too, and would be unpacked as such.
PROGRAMS: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb"), ("an Excel workbook", SHEETS)),
    ".ods": ("an OpenDocument spreadsheet", SHEETS),
    ".numbers": ("a Numbers spreadsheet", SHEETS),
    **dict.fromkeys((".sav", ".zsav", ".por"), ("an SPSS file", EXPORT)),
    ".dta": ("a Stata file", EXPORT),
    **dict.fromkeys((".sas7bdat", ".xpt"), ("a SAS file", EXPORT)),
    **dict.fromkeys((".rds", ".rdata", ".rda"), ("an R file", EXPORT)),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db", ".mdb", ".accdb"), ("a database", EXPORT)),
    **dict.fromkeys(
        (".docx", ".doc", ".odt", ".rtf", ".pdf", ".pptx"),
        ("a document", "save its text as .txt in texts/<name>/ of the dataset, its tables as CSV"),
    ),
}
OTHERS: dict[str, tuple[str, str]] = {
    ".json": ("JSON", "write a table as JSON Lines, one object a line, in a file that ends in .jsonl"),
    ".txt": ("text", "put it into texts/<name>/ of the dataset; if it holds a table, let it end in .csv or .tsv"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".zst", ".7z", ".rar"), ("packed", "unpack it first")),
}
UNKNOWN = ("no table that is read here", "text goes to texts/<name>/ of the dataset, statements to events/<name>/")


def to_do_about(name: str) -> str:
    """Return what a file is by its ending, and how to hand in what it holds, as a half of a sentence."""
    ending = Path(name).suffix.lower()
    what, how = PROGRAMS.get(ending) or OTHERS.get(ending, UNKNOWN)
    return f"{what}; {how}"


def check_no_other_program(source: Path) -> None:
    """Raise UnreadableSubmissionError where a file is one of a program that is not read here, by its ending."""
    if source.is_file() and source.suffix.lower() in PROGRAMS:
        raise UnreadableSubmissionError(f"{source} is {to_do_about(source.name)}")
