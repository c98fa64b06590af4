"""Makes a cluster's storage ready: MinIO's buckets and users, the catalog's own tables, and who may ask for what."""

from collections.abc import Iterator
from pathlib import Path

from dagster_project.people import users_file
from dagster_project.settings import PREFIX, Settings
from dagster_project.wiring import lakehouse
from lakehouse.adapters import minio_server
from lakehouse.adapters.catalog_address import is_database, shown
from lakehouse.errors import UnknownSettingError

START_SECONDS = 60.0


def provision(settings: Settings, keys: Path) -> Iterator[str]:
    """Bring MinIO and the catalog's database to what the lakehouse needs; yield what is ready. Again changes nothing.

    Raises:
        UnknownSettingError: no MinIO is named, or a key is missing.
        LoginError: it refused the root user, or the database its user.
        ServiceUnavailableError: one of them does not answer.
    """
    if settings.storage != "external":
        raise UnknownSettingError(f"{PREFIX}STORAGE is {settings.storage!r}; this sets up an external MinIO")
    root = minio_server.Root(
        settings.s3_endpoint,
        _key(keys, "minio_root_user"),
        _key(keys, "minio_root_password"),
        settings.s3_secure,
        settings.s3_ca_file,
    )
    users = {
        role: (_key(keys, f"{role}_access_key"), _key(keys, f"{role}_secret_key"))
        for role in minio_server.ROLES
        if (keys / f"{role}_access_key").is_file()
    }
    minio_server.wait(root.endpoint, secure=root.secure, ca_file=root.ca_file, timeout_s=START_SECONDS)
    minio_server.provision(root, users)
    yield f"ready      MinIO on {root.endpoint}, users {', '.join(users)}"
    if settings.s3_inbox:
        minio_server.notify(root)
        yield f"ready      notifications of uploads into {settings.s3_inbox}"
    if is_database(settings.catalog_uri):
        lakehouse(settings).tables.tables("archive")  # its first question makes the catalog's own tables
        yield f"ready      catalog in {shown(settings.catalog_uri)}"
    policy = users_file(settings)
    policy.ensure()
    yield f"ready      who may ask, in {policy.path}"


def _key(folder: Path, name: str) -> str:
    path = folder / name
    try:
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UnknownSettingError(f"{path} cannot be read ({error.strerror}); put the key there") from error
    if not key:
        raise UnknownSettingError(f"{path} is empty; put the key there")
    return key
