"""What a commit makes of a table's metadata."""

from collections.abc import Sequence
from datetime import datetime

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import (
    TableUpdate,
    _apply_table_update,
    _TableMetadataUpdateContext,
    _update_table_metadata_log,
)
from pyiceberg.utils.datetime import datetime_to_millis


def updated(base: TableMetadata, updates: Sequence[TableUpdate], location: str) -> TableMetadata:
    """Apply updates to the metadata that lie at `location`, as `update_table_metadata` of PyIceberg 0.12 does.

    That ends with a deep copy, most of what a commit took longer for a table with more snapshots. Here the new metadata
    share with the old what did not change: nobody changes metadata in place, and PyIceberg's models are frozen.
    """
    context, new = _TableMetadataUpdateContext(), base
    for one in updates:
        new = _apply_table_update(one, new, context)
    if context.has_changes():
        new = _update_table_metadata_log(new, location, base.last_updated_ms)
        if base.last_updated_ms == new.last_updated_ms:
            new = new.model_copy(update={"last_updated_ms": datetime_to_millis(datetime.now().astimezone())})
    new.spec().check_compatible(new.schema())
    new.sort_order().check_compatible(new.schema())
    return new
