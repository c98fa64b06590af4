"""Published tests of language models for the terminal: a version is measured, and its figures become rows."""

import getpass
from pathlib import Path

from assets.house import commit, read_released
from assets.results import measure_writes
from dagster_project.settings import Settings, code_commit
from dagster_project.wiring import lakehouse, workshop
from lakehouse.errors import StageError
from lakehouse.ports import Provenance
from lakehouse.tables.gold import MODEL_MEASURES, MODEL_VERSIONS
from models.checkpoint import load
from models.device import choose_device
from models.known_tests import published_blimp, read_arc, read_blimp
from models.measures import arc, blimp, published
from models.scores import Measure


def measured(settings: Settings, version: str, *, blimp_folder: Path | None, arc_folder: Path | None, most: int) -> str:
    """Measure a published version on what is given, publish the figures, and return them as a table."""
    house, shop = lakehouse(settings), workshop(settings)
    folder = shop.checkpoints.folder(version)
    described = read_released(house, MODEL_VERSIONS, columns=["model_version"])["model_version"].to_pylist()
    if version not in described:
        raise StageError(f"{version} is not published yet; run `lakehouse run learn`, then measure it")
    loaded = load(folder)
    device = choose_device(loaded.recipe.precision)
    found: list[Measure] = []
    if blimp_folder is not None:
        pairs = read_blimp(blimp_folder, per_paradigm=most)
        found += blimp(loaded, pairs, device)
        others = published(published_blimp(blimp_folder), [each.paradigm for each in pairs])
    else:
        others = []
    if arc_folder is not None:
        found += arc(loaded, read_arc(arc_folder, most=most), device)
    rows = read_released(
        house, MODEL_MEASURES, columns=["model_version", "measure", "slice", "measured_on"]
    ).to_pylist()
    known = {(row["measure"], row["slice"], row["measured_on"]) for row in rows if row["model_version"] == version}
    new = [each for each in found if (each.measure, each.slice, each.measured_on) not in known]
    provenance = Provenance(
        run_id=f"lakehouse measure by {getpass.getuser()}", code_commit=code_commit(), model_version=version
    )
    if new:
        key = f"measures:{version}:" + ",".join(sorted({each.measured_on for each in new}))
        commit(house, measure_writes(version, new, provenance), key=key, provenance=provenance)
    return "\n".join(_line(each) for each in [*found, *others])


def _line(measure: Measure) -> str:
    interval = "" if measure.low is None else f" [{measure.low:.3f}, {measure.high:.3f}]"
    on = f"({measure.count}, {measure.measured_on})"
    return f"{measure.measure:<16} {measure.slice:<45} {measure.value:.3f}{interval}  {on}"
