"""How manifests and their lists are written as Avro: what is the same for all of them is worked out once.

PyIceberg works out for each file how its records are encoded and what its header says of their form, which takes most
of the time that a file of a few records needs.
"""

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

from pyiceberg.avro.codecs import AVRO_CODEC_KEY, CODEC_MAPPING_ICEBERG_TO_AVRO
from pyiceberg.avro.file import MAGIC, META_SCHEMA, SYNC_SIZE, AvroFileHeader, AvroOutputFile
from pyiceberg.avro.resolver import construct_writer, resolve_writer
from pyiceberg.avro.writer import Writer
from pyiceberg.io import OutputFile
from pyiceberg.manifest import (
    DEFAULT_READ_VERSION,
    MANIFEST_LIST_FILE_SCHEMAS,
    ManifestEntry,
    ManifestFile,
    ManifestListWriter,
    ManifestListWriterV2,
    ManifestWriter,
    ManifestWriterV2,
    data_file_with_partition,
    manifest_entry_schema_with_data_file,
    write_manifest,
    write_manifest_list,
)
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import StructProtocol
from pyiceberg.types import StructType
from pyiceberg.utils.schema_conversion import AvroSchemaConversion

CODEC: Literal["deflate"] = "deflate"
VERSION: Literal[2] = 2
AVRO_SCHEMA = "avro.schema"
Written = TypeVar("Written", bound=StructProtocol)


def manifest_writer(metadata: TableMetadata, file: OutputFile, snapshot_id: int) -> ManifestWriter:
    """Return what writes a manifest of a table."""
    if metadata.format_version == VERSION and not metadata.spec().fields:
        return _Manifest(metadata.spec(), metadata.schema(), file, snapshot_id, CODEC)
    return write_manifest(
        format_version=metadata.format_version,
        spec=metadata.spec(),
        schema=metadata.schema(),
        output_file=file,
        snapshot_id=snapshot_id,
        avro_compression=CODEC,
    )


def list_writer(
    metadata: TableMetadata, file: OutputFile, snapshot_id: int, parent_id: int | None, number: int
) -> ManifestListWriter:
    """Return what writes the list of a snapshot's manifests."""
    if metadata.format_version == VERSION:
        return _List(file, snapshot_id, parent_id, number, CODEC)
    return write_manifest_list(
        format_version=metadata.format_version,
        output_file=file,
        snapshot_id=snapshot_id,
        parent_snapshot_id=parent_id,
        sequence_number=number,
        avro_compression=CODEC,
    )


@dataclass(frozen=True)
class _Form:
    """How records are encoded, and the words of their form."""

    writer: Writer
    words: str

    @classmethod
    def of(cls, name: str, file_schema: Schema, record_schema: Schema) -> "_Form":
        """Work it out as PyIceberg does."""
        words = json.dumps(AvroSchemaConversion().iceberg_to_avro(file_schema, schema_name=name))
        return cls(resolve_writer(record_schema=record_schema, file_schema=file_schema), words)


class _Manifest(ManifestWriterV2):
    """A manifest of a table without partitions, whose entries all have one form."""

    def new_writer(self) -> AvroOutputFile[ManifestEntry]:
        return _File[ManifestEntry](self._output_file, _entry_form(), self._meta)


class _List(ManifestListWriterV2):
    def __enter__(self) -> ManifestListWriter:
        self._writer = _File[ManifestFile](self._output_file, _list_form(), self._meta)
        self._writer.__enter__()
        return self


@lru_cache(1)
def _entry_form() -> _Form:
    schemas = {
        version: manifest_entry_schema_with_data_file(version, data_file_with_partition(StructType(), version))
        for version in (VERSION, DEFAULT_READ_VERSION)
    }
    return _Form.of("manifest_entry", schemas[VERSION], schemas[DEFAULT_READ_VERSION])


@lru_cache(1)
def _list_form() -> _Form:
    schemas = MANIFEST_LIST_FILE_SCHEMAS
    return _Form.of("manifest_file", schemas[VERSION], schemas[DEFAULT_READ_VERSION])


@lru_cache(1)
def _header_writer() -> Writer:
    return construct_writer(META_SCHEMA)


class _File(AvroOutputFile[Written]):
    def __init__(self, output_file: OutputFile, form: _Form, metadata: dict[str, str]) -> None:
        self.output_file = output_file
        self.sync_bytes = os.urandom(SYNC_SIZE)
        self.writer = form.writer
        self.metadata = metadata
        self._words = form.words

    def _write_header(self) -> None:
        codec = self.metadata[AVRO_CODEC_KEY]
        said = {AVRO_SCHEMA: self._words, AVRO_CODEC_KEY: CODEC_MAPPING_ICEBERG_TO_AVRO.get(codec) or codec}
        _header_writer().write(self.encoder, AvroFileHeader(MAGIC, {**self.metadata, **said}, self.sync_bytes))
