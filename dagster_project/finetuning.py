"""Fine-tuning for the terminal: from a file of labelled texts to a classifier with its report."""

from pathlib import Path

from dagster_project.settings import Settings
from dagster_project.wiring import workshop
from models.checkpoint import FILES
from models.classify import Tuning, fine_tune, open_base, save_classifier
from models.config import file_sha256
from models.durable import verify
from models.errors import CheckpointError
from models.judged import fit_baseline, judge
from models.labelled import Columns, read_ag_news, read_labelled, split_by_group


def fine_tuned(
    settings: Settings, texts: Path, base: str, target: Path, *, columns: Columns | None, tuning: Tuning
) -> str:
    """Fine-tune, measure beside the baseline, keep the classifier in `target`; return the report.

    Without `columns` the file is AG_NEWS's. `base` is a version of this lakehouse or a folder.
    """
    if target.exists():
        raise CheckpointError(f"{target} is there already; name a folder that is not")
    split = split_by_group(read_ag_news(texts) if columns is None else read_labelled(texts, columns))
    opened = open_base(_folder(settings, base))
    baseline, seconds = fit_baseline(split)
    tuned = fine_tune(opened, split.train, split.labels, tuning)
    report = judge(tuned, split, baseline, baseline_cpu_seconds=seconds)
    save_classifier(tuned, target, {**report.values(), "texts_sha256": file_sha256(texts)})
    head = f"{tuned.learned_weights:,} weights learned in {tuned.steps} steps ({tuned.epochs_done:.2f} epochs)."
    return "\n".join([head, *report.lines(), "", f"kept in {target}"])


def _folder(settings: Settings, base: str) -> Path:
    checkpoints = workshop(settings).checkpoints
    if base in checkpoints.versions():
        return checkpoints.whole(base)
    folder = Path(base)
    if not folder.is_dir():
        raise CheckpointError(f"{base!r} is neither a model version ({checkpoints.versions()}) nor a folder")
    if (folder / "SHA256SUMS").is_file() and (folder / "recipe.json").is_file():
        verify(folder, FILES)
    return folder
