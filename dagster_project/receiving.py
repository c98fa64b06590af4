"""Serves the receiver of upload notifications in the foreground."""

import uvicorn

from dagster_project.settings import PREFIX, Settings
from lakehouse.archive.upload_queue import UploadQueue
from lakehouse.archive.upload_receiver import application
from lakehouse.errors import UnknownSettingError

KEEP_ALIVE_SECONDS = 10
STOP_SECONDS = 5
MOST_CONNECTIONS = 64


def serve(settings: Settings) -> None:
    """Serve the receiver until the process is stopped.

    Raises UnknownSettingError when no bucket of uploads is named, or no token is there.
    """
    token = settings.uploads_token.get_secret_value()
    if not settings.s3_inbox or not token:
        raise UnknownSettingError(
            f"{PREFIX}S3_INBOX or {PREFIX}UPLOADS_TOKEN is empty; name the bucket, `lakehouse up`"
        )
    uvicorn.run(
        application(UploadQueue(settings.upload_queue), bucket=settings.s3_inbox, token=token),
        host=settings.host,
        port=settings.uploads_port,
        log_level="info",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
