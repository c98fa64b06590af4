"""Which Iceberg catalogs there are, and how each is connected to."""

from pathlib import Path

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import RestCatalog

from lakehouse.adapters.iceberg_database import DatabaseCatalog, address
from lakehouse.adapters.iceberg_seal import CA_FILE, FILE_IO
from lakehouse.adapters.iceberg_sql import SealedSqlCatalog
from lakehouse.adapters.s3_client import CONNECT_SECONDS, READ_SECONDS, REGION

CATALOG = "lakehouse"
SQLITE = "sqlite://"


def s3_properties(endpoint: str, access_key: str, secret_key: str, ca_file: Path | None = None) -> dict[str, str]:
    """Return how PyIceberg reaches the files at an S3 endpoint, a URL.

    `ca_file` holds the certificates of the authority to trust, where it is not one of the system's.
    """
    return {
        "py-io-impl": FILE_IO,
        "s3.endpoint": endpoint,
        "s3.access-key-id": access_key,
        "s3.secret-access-key": secret_key,
        "s3.region": REGION,
        "s3.connect-timeout": str(CONNECT_SECONDS),
        "s3.request-timeout": str(READ_SECONDS),
        **({CA_FILE: str(ca_file)} if ca_file else {}),
    }


def in_folder(folder: Path) -> Catalog:
    """Connect to the SQLite catalog in a folder, which is made where needed; the files lie there too."""
    folder.mkdir(parents=True, exist_ok=True)
    where = folder.resolve()
    properties = {
        "uri": f"sqlite:///{where}/catalog.sqlite",
        "warehouse": f"file://{where}/warehouse",
        "py-io-impl": FILE_IO,
    }
    return SealedSqlCatalog(CATALOG, **properties)


def over_rest(uri: str, *, credential: str, files: dict[str, str]) -> Catalog:
    """Connect to an Iceberg REST catalog; `credential` is key and secret with a colon between."""
    properties = {"uri": uri, "credential": credential, "oauth2-server-uri": f"{uri}/v1/oauth/tokens", **files}
    return RestCatalog(CATALOG, **properties)


def in_database(uri: str, *, password: str, patience_s: float, files: dict[str, str]) -> Catalog:
    """Connect to the catalog in a SQL database, by its address; PostgreSQL takes the password and the patience."""
    if uri.startswith(SQLITE):
        return SealedSqlCatalog(CATALOG, uri=uri, **files)
    return DatabaseCatalog(CATALOG, password=password, patience_s=patience_s, uri=str(address(uri)), **files)
