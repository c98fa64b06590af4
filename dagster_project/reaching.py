"""Asks whether the storage is there at all, before anything long begins that would need it in the end."""

import socket
from urllib.parse import urlsplit

from dagster_project.settings import Settings
from lakehouse.errors import ServiceUnavailableError, UnknownSettingError

CONNECT_SECONDS = 5.0


def require_storage(settings: Settings) -> None:
    """Return when somebody listens at the object store's address, or where plain folders serve as storage.

    Raises ServiceUnavailableError with how to start it, and UnknownSettingError for an address that is none.
    """
    if settings.storage == "folder":
        return
    try:
        place = urlsplit(f"//{settings.s3_endpoint}")
        port = place.port or (443 if settings.s3_secure else 80)
    except ValueError as error:
        raise UnknownSettingError(
            f"LAKEHOUSE_S3_ENDPOINT is {settings.s3_endpoint!r}, which is no host:port ({error}); correct it"
        ) from error
    try:
        socket.create_connection((place.hostname or "", port), CONNECT_SECONDS).close()
    except OSError as error:
        start = "start it with `lakehouse up`" if settings.storage == "bundled" else "start it"
        raise ServiceUnavailableError(
            f"the storage at {settings.s3_endpoint} does not answer ({error.strerror or error}); "
            f"nothing was handed in or changed; {start} and try again"
        ) from error
