"""The forms a dataset's metadata can be written in, by name."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from lakehouse.archive.metadata import croissant, data_package, datacite, ro_crate, schema_org
from lakehouse.archive.metadata.source import Record
from lakehouse.errors import UnknownFormError

Exporter = Callable[[Record], dict[str, bytes]]

_EXPORTERS: Mapping[str, Exporter] = MappingProxyType(
    {
        "croissant": croissant.export,
        "croissant-1.1": croissant.export_1_1,
        "frictionless": data_package.export,
        "ro-crate": ro_crate.export,
        "datacite": datacite.export,
        "schema-org": schema_org.export,
    }
)


def exporters() -> Mapping[str, Exporter]:
    """Return every form by its name, each with the function that writes a record in it."""
    return _EXPORTERS


def export(record: Record, form: str) -> dict[str, bytes]:
    """Return the metadata of a record in one form, as files by path.

    A file of the dataset that has the name of one of these files makes way for it.

    Raises:
        UnknownFormError: there is no such form.
    """
    if form not in _EXPORTERS:
        raise UnknownFormError(f"there is no form {form!r}; choose one of {', '.join(_EXPORTERS)}")
    exporter = _EXPORTERS[form]
    names = set(exporter(record))
    kept = tuple(file for file in record.files if file.path not in names)
    return exporter(record if len(kept) == len(record.files) else replace(record, files=kept))
