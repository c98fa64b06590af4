"""Serves the receiver of upload notifications in the foreground."""

from dagster_project.serving import serve_application
from dagster_project.settings import PREFIX, Settings
from lakehouse.archive.upload_queue import UploadQueue
from lakehouse.archive.upload_receiver import application
from lakehouse.errors import UnknownSettingError

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
    receiver = application(UploadQueue(settings.upload_queue), bucket=settings.s3_inbox, token=token)
    serve_application(receiver, settings, port=settings.uploads_port, connections=MOST_CONNECTIONS)
