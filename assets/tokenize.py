"""Makes the published documents ready to learn from: a tokenizer, and the documents as its tokens, each an asset."""

import dagster as dg

from assets.house import failures, read_released
from assets.learning import Permission, require_agreed, require_learnable
from assets.store import documents
from assets.workshop import Corpus, Workshop
from lakehouse.archive.shelf import Shelf
from lakehouse.ports import DatasetVersions
from lakehouse.tables.gold import DOCUMENTS
from lakehouse.tables.withdrawals import require_none_open
from lakehouse.tables.write_audit_publish import Lakehouse
from models.prepared import Kept

_DATA_VERSION = "dagster/data_version"
Metadata = dict[str, int | str | dg.MetadataValue]


@dg.asset(
    deps=[documents],
    group_name="train",
    owners=["team:models"],
    kinds={"python"},
)
def tokenizer(
    house: dg.ResourceParam[Lakehouse],
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    workshop: dg.ResourceParam[Workshop],
    permission: dg.ResourceParam[Permission],
) -> dg.MaterializeResult[None]:
    """The byte-level tokenizer of one snapshot of the documents, learned from its training documents only."""
    with failures():
        corpus = _corpus(house, shelf, versions, workshop, permission)
        kept = workshop.tokenizer(corpus)
    return dg.MaterializeResult(
        metadata={
            **_told(corpus, kept),
            "documents": kept.about["documents"],
            "bytes": kept.about["bytes"],
        },
        data_version=dg.DataVersion(kept.sha256),
    )


@dg.asset(
    deps=[documents, tokenizer],
    group_name="train",
    owners=["team:models"],
    kinds={"python"},
)
def tokens(
    context: dg.AssetExecutionContext,
    house: dg.ResourceParam[Lakehouse],
    shelf: dg.ResourceParam[Shelf],
    versions: dg.ResourceParam[DatasetVersions],
    workshop: dg.ResourceParam[Workshop],
    permission: dg.ResourceParam[Permission],
) -> dg.MaterializeResult[None]:
    """The training and validation documents of one snapshot as tokens, in files that training maps into memory."""
    with failures():
        corpus = _corpus(house, shelf, versions, workshop, permission)
        kept = workshop.tokens(corpus)
        twins = _twins_left_out(context, corpus)
    splits = kept.about["splits"]
    metadata = _told(corpus, kept) | {"near_duplicates_removed": twins}
    for name in ("documents", "tokens", "bytes"):
        metadata[name] = sum(split[name] for split in splits.values())
        metadata |= {f"{split}_{name}": counts[name] for split, counts in splits.items()}
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(kept.sha256))


def _corpus(
    house: Lakehouse, shelf: Shelf, versions: DatasetVersions, workshop: Workshop, permission: Permission
) -> Corpus:
    """Return the published documents, once it is sure that they may be learned from."""
    require_none_open(house.objects)
    released = read_released(house, DOCUMENTS, columns=["document_id"])
    require_learnable(released, permission.policy(house), permission)
    require_agreed(house, shelf, versions, permission)
    return workshop.corpus(house)


def _told(corpus: Corpus, kept: Kept) -> Metadata:
    told: Metadata = {
        "snapshot_id": str(corpus.snapshot_id),
        "documents_sha256": corpus.documents_sha256,
        "vocabulary_size": kept.about["vocabulary_size"],
        "sha256": kept.sha256,
        "new": kept.created,
        "folder": dg.MetadataValue.path(str(kept.folder)),
    }
    return told | ({"left_aside": kept.left_aside} if kept.left_aside else {})


def _twins_left_out(context: dg.AssetExecutionContext, corpus: Corpus) -> int | str:
    """Return how many held-out near-duplicates were left out of these documents when they were put together."""
    event = context.instance.get_latest_materialization_event(documents.key)
    made = None if event is None else event.asset_materialization
    if made is None or (made.tags or {}).get(_DATA_VERSION) != corpus.documents_sha256:
        return "not known here: other documents were put together last"
    left_out = made.metadata["held_out_twins_left_out"].value
    assert isinstance(left_out, list)
    return len(left_out)
