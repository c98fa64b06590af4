"""Retires a version: its files go to the archive when the decision is published, its record and its page stay."""

from collections.abc import Callable
from pathlib import Path

from assets.house import current_release
from assets.post_mortem import write_post_mortem
from assets.registry import decide
from assets.results import Decision
from assets.workshop import Workshop
from lakehouse.errors import StageError
from lakehouse.ports import Provenance
from lakehouse.tables.stages import released_stages
from lakehouse.tables.write_audit_publish import Lakehouse, Published
from models.archive import Receipt, pack, strip, strip_again
from models.durable import ARCHIVED
from models.errors import CheckpointError


def retire_version(
    house: Lakehouse,
    workshop: Workshop,
    version: str,
    text: Callable[[str], str],
    *,
    by: str,
    reason: str,
    provenance: Provenance,
) -> tuple[Published, Path]:
    """Pack a version, write its page, publish the decision, and only then take its files out of the folder.

    `text` returns the page, given what became of the files. A retirement that was killed after its decision is
    finished by the next call; one of a version whose files are damaged leaves these where they are, and says so.

    Raises:
        StageError: it is retired already, and in the archive.
        CheckpointError: so it is, and its archive was altered.
        NoRoomError: the disk is full; nothing was decided.
    """
    store = workshop.store_of(version)
    folder = store.folder(version)
    retired = released_stages(house).get(version, {}).get("stage") == "retired"
    if retired and (folder / ARCHIVED).is_file():
        left = " and what an earlier call left of its files is gone now" if strip_again(folder, workshop.root) else ""
        raise StageError(f"{version} is retired already{left}")
    receipt, told = _packed(folder, store.files, store.record, workshop.root)
    if retired and receipt is None:
        raise StageError(f"{version} is retired already; {told}")
    page = write_post_mortem(workshop.root, version, text(told))
    if retired:
        done = Published(current_release(house).number, {}, changed=False)
    else:
        done = decide(house, [Decision(version, "retired", by, reason)], provenance)
    if receipt is not None:
        strip(folder, receipt)
    return done, page


def _packed(folder: Path, files: tuple[str, ...], record: str, root: Path) -> tuple[Receipt | None, str]:
    try:
        receipt = pack(folder, files, record, root)
    except CheckpointError as error:
        return None, f"Its files were not archived, for they are not what was written: {error}."
    return receipt, (
        f"Its files are in `{receipt.archive}` ({receipt.size_bytes:,} bytes of {receipt.whole_size_bytes:,}, SHA-256 "
        f"{receipt.sha256}); `lakehouse models restore {folder.name}` brings them back."
    )
