"""The College Scorecard as eight yearly submissions: real outcomes of real institutions, with real gaps."""

import shutil
from pathlib import Path

from lakehouse.errors import UnreadableSubmissionError

WAVES: tuple[int, ...] = (2007, 2009, 2011, 2012, 2013, 2014, 2015, 2016)
ROWS_FOLDER = Path(__file__).parent / "college_scorecard"


def write(wave: int, into: Path) -> Path:
    """Write the dataset folder of one wave and return it; an older one there is replaced.

    Raises:
        UnreadableSubmissionError: there is no such wave.
    """
    if wave not in WAVES:
        raise UnreadableSubmissionError(f"no wave {wave}; choose one of {', '.join(map(str, WAVES))}")
    folder = into / "college_scorecard"
    shutil.rmtree(folder, ignore_errors=True)
    table = folder / "tables" / "outcomes"
    table.mkdir(parents=True)
    description = (ROWS_FOLDER / "dataset.yaml").read_text(encoding="utf-8").replace("$year", str(wave))
    (folder / "dataset.yaml").write_text(description, encoding="utf-8")
    shutil.copyfile(ROWS_FOLDER / "ATTRIBUTION.md", folder / "ATTRIBUTION.md")
    shutil.copyfile(ROWS_FOLDER / "columns.yaml", table / "columns.yaml")
    shutil.copyfile(ROWS_FOLDER / f"outcomes_{wave}.csv", table / f"outcomes_{wave}.csv")
    return folder
