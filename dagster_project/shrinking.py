"""Smaller forms for the terminal: made and judged by a run of Dagster, listed, and what is recorded about one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from assets.house import read_released
from assets.shrink import SMALLER, usable_version
from dagster_project.dagster_home import prepare_dagster_home
from dagster_project.loop import RunOutcome, open_loop
from dagster_project.settings import Settings
from dagster_project.wiring import lakehouse, workshop
from lakehouse.tables.gold import MODEL_FORMS
from models.errors import FormError, FormRefusedError


def require_forms(names: Sequence[str]) -> list[str]:
    """Return the forms that are asked for, all of them when none is named; raise FormError for one that is none."""
    unknown = [name for name in names if name not in SMALLER]
    if unknown:
        raise FormError(f"there is no form {', '.join(unknown)}; name some of {', '.join(SMALLER)}")
    return list(dict.fromkeys(names)) or list(SMALLER)


def shrunk(settings: Settings, version: str, names: Sequence[str]) -> tuple[list[str], RunOutcome]:
    """Make forms of a version, the current one when it is empty; return a line for each form, and how the run ended.

    Raises:
        FormRefusedError: the gate refused some of them; they were made, measured and recorded.
        StageError: the version may not be used.
    """
    wanted, house = require_forms(names), lakehouse(settings)
    chosen = usable_version(house, version)
    workshop(settings).checkpoints.folder(chosen)
    with open_loop(settings, prepare_dagster_home(settings)) as loop:
        outcome = loop.shrink(chosen, wanted)
    if not outcome.success:
        return [], outcome
    rows = newest(
        (row for row in _rows(settings) if row["model_version"] == chosen and _kind(row["form"]) in wanted),
        by=lambda row: _kind(row["form"]),
    )
    refused = [row for row in rows if not row["accepted"]]
    if refused:
        told = "; ".join(f"{row['form']}: {row['reason']}" for row in refused)
        raise FormRefusedError(f"{told}. What was accepted: {', '.join(_accepted(rows)) or 'nothing'}")
    return [line(row) for row in rows], outcome


def listed_forms(settings: Settings) -> list[str]:
    """Return a line for each form that was measured, as it was judged last."""
    return [line(row) for row in newest(_rows(settings))]


def shown_form(settings: Settings, name: str) -> str:
    """Return everything that is recorded about a form; raise FormError when there is none of this name."""
    record, folder = workshop(settings).forms.record(name), workshop(settings).forms.folder(name)
    lines = [f"{name}: a form of {record['made_from']}", f"folder: {folder}"]
    lines += [f"{key}: {value}" for key, value in record.items() if key not in ("form", "versions")]
    lines += [f"  {key}: {value}" for key, value in {**record["form"], **record["versions"]}.items()]
    lines += [f"judged {row['recorded_at']:%Y-%m-%d %H:%M} UTC: {line(row)}" for row in _rows(settings, name)]
    return "\n".join(lines)


def line(row: Mapping[str, Any]) -> str:
    """Return a form's figures beside its version's, and the verdict."""
    interval = "" if row["low"] is None else f" [{row['low']:+.4f}, {row['high']:+.4f}]"
    return (
        f"{row['form']:<20} {row['size_bytes'] / row['whole_size_bytes']:>5.0%} of the bytes, "
        f"{row['difference']:+.4f}{interval} bits/byte, "
        f"{row['tokens_per_cpu_second'] / row['whole_tokens_per_cpu_second']:.2f} x the speed, {row['reason']}"
    )


def newest(
    rows: Iterable[Mapping[str, Any]], *, by: Callable[[Mapping[str, Any]], str] = itemgetter("form")
) -> list[Mapping[str, Any]]:
    """Return the newest row of each form, or of each of what `by` tells of a row."""
    ordered = sorted(rows, key=lambda row: row["recorded_at"])
    return list({by(row): row for row in ordered}.values())


def _rows(settings: Settings, name: str = "") -> list[Mapping[str, Any]]:
    rows = read_released(lakehouse(settings), MODEL_FORMS).to_pylist()
    return [row for row in rows if name in ("", row["form"])]


def _kind(form: str) -> str:
    return form.partition("-")[2].partition("-")[2].partition(".")[0]


def _accepted(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [row["form"] for row in rows if row["accepted"]]
