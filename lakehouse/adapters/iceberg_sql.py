"""An Iceberg catalog in a SQL database, whose metadata files are sealed, and whose questions are put together once."""

from functools import cached_property

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog, SqlCatalogBaseTable
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.io import FileIO
from pyiceberg.table import CommitTableResponse, StagedTable, Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier
from sqlalchemy import ColumnElement, Select, Update, bindparam, select, update

from lakehouse.adapters.iceberg_known import Known
from lakehouse.adapters.iceberg_names import SHORT_SEAL
from lakehouse.adapters.iceberg_seal import metadata_bytes, short_seal, store_surely
from lakehouse.adapters.iceberg_updates import updated

_metadata: Known[TableMetadata] = Known(64)
"""Metadata by the places of sealed files, so a name stands for one content."""


class SealedSqlCatalog(SqlCatalog):
    """PyIceberg's SQL catalog, whose metadata files are sealed from the first commit on.

    What is loaded is read and judged each time, but the same content is parsed once: parsing is most of a commit.
    PyIceberg puts each statement together anew, in most of the time that it takes; here that is done once.
    """

    def location_of(self, identifier: str | Identifier) -> str | None:
        """Return where the catalog says that a table's metadata are; raise NoSuchTableError when it has none."""
        with self.engine.connect() as connection:
            found = connection.execute(self._question, _row(identifier)).first()
        if found is None:
            raise NoSuchTableError(f"Table does not exist: {'.'.join(Catalog.identifier_to_tuple(identifier))}")
        return str(found.metadata_location) if found.metadata_location else None

    def load_table(self, identifier: str | Identifier) -> Table:
        """Return a table as the catalog has it now; raise NoSuchTableError when it has none."""
        row = IcebergTables(
            catalog_name=self.name,
            table_namespace=Catalog.namespace_to_string(Catalog.namespace_from(identifier)),
            table_name=Catalog.table_name_from(identifier),
            metadata_location=self.location_of(identifier),
            previous_metadata_location=None,
        )
        return self._convert_orm_to_iceberg(row)

    def is_still(self, table: Table) -> bool:
        """Say whether the catalog points at the very metadata that the table has, which were made or read here."""
        # What was made of the metadata for a reader is not what lies there, whatever place it names.
        return _metadata.at(self.location_of(table.name()) or "") is table.metadata

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit to the table as it is now, whatever it was when it was loaded, if that meets the requirements.

        Raises:
            CommitFailedException: it does not, or another commit was faster.
        """
        name = table.name()
        try:
            current = table if self.is_still(table) else self.load_table(name)
        except NoSuchTableError:
            return super().commit_table(table, requirements, updates)
        staged = self._update_and_stage_table(current, name, requirements, updates)
        if staged.metadata == current.metadata:
            return CommitTableResponse(metadata=current.metadata, metadata_location=current.metadata_location)
        self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
        with self.engine.begin() as connection:
            moved = {"before": current.metadata_location, "after": staged.metadata_location}
            if connection.execute(self._order, {**_row(name), **moved}).rowcount != 1:
                raise CommitFailedException(f"Table has been updated by another process: {'.'.join(name)}")
        return CommitTableResponse(metadata=staged.metadata, metadata_location=staged.metadata_location)

    @cached_property
    def _question(self) -> Select[str | None]:
        own = self._iceberg_type_filter()
        asked = select(IcebergTables.metadata_location).where(*self._named)
        return asked if own is None else asked.where(own)

    @cached_property
    def _order(self) -> Update:
        table = SqlCatalogBaseTable.metadata.tables[IcebergTables.__tablename__]
        still = table.c.metadata_location == bindparam("before")
        return (
            update(table)
            .where(*self._named, still)
            .values(metadata_location=bindparam("after"), previous_metadata_location=bindparam("before"))
        )

    @property
    def _named(self) -> tuple[ColumnElement[bool], ...]:
        column = SqlCatalogBaseTable.metadata.tables[IcebergTables.__tablename__].c
        return (
            column.catalog_name == self.name,
            column.table_namespace == bindparam("space"),
            column.table_name == bindparam("name"),
        )

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        location = orm_table.metadata_location
        if location is None or not SHORT_SEAL.search(location):
            return super()._convert_orm_to_iceberg(orm_table)
        io = self._load_file_io(location=location)
        with io.new_input(location).open() as stream:
            body = stream.read()
        metadata = _metadata.of(location, lambda: TableMetadataUtil.parse_raw(bytes(body).decode()))
        name = (*Catalog.identifier_to_tuple(str(orm_table.table_namespace)), str(orm_table.table_name))
        return Table(name, metadata, location, self._load_file_io(metadata.properties, location), self)

    def _update_and_stage_table(
        self,
        current_table: Table | None,
        table_identifier: Identifier,
        requirements: tuple[TableRequirement, ...],
        updates: tuple[TableUpdate, ...],
    ) -> StagedTable:
        if current_table is None:
            staged = super()._update_and_stage_table(None, table_identifier, requirements, updates)
            return self._sealed(table_identifier, staged.metadata, 0)
        for requirement in requirements:
            requirement.validate(current_table.metadata)
        at = current_table.metadata_location
        metadata = updated(current_table.metadata, updates, at)
        return self._sealed(table_identifier, metadata, self._parse_metadata_version(at) + 1)

    def _sealed(self, name: Identifier, metadata: TableMetadata, number: int) -> StagedTable:
        provider = load_location_provider(metadata.location, metadata.properties)
        seal = short_seal(metadata_bytes(metadata))
        location = provider.new_metadata_location(f"{number:05d}-{seal}.metadata.json")
        _metadata.keep(location, metadata)
        return StagedTable(name, metadata, location, self._load_file_io(metadata.properties, location), self)

    @staticmethod
    def _write_metadata(metadata: TableMetadata, io: FileIO, metadata_path: str) -> None:
        store_surely(io, metadata_path, metadata_bytes(metadata))


def _row(identifier: str | Identifier) -> dict[str, str]:
    space = Catalog.namespace_to_string(Catalog.namespace_from(identifier))
    return {"space": space, "name": Catalog.table_name_from(identifier)}
