"""Fetching uploads from the command line: everything that waits in the bucket, now."""

import sys

from dagster_project.settings import PREFIX, Settings
from dagster_project.wiring import ensure_folders, uploads
from lakehouse.errors import LakehouseError, UnknownSettingError


def collect_now(settings: Settings) -> int:
    """Bring every waiting upload into the inbox; return 0, or the exit code of the first that could not be.

    Raises UnknownSettingError when no bucket of uploads is named.
    """
    if not settings.s3_inbox:
        raise UnknownSettingError(f"{PREFIX}S3_INBOX is empty; name the bucket in which submissions are uploaded")
    ensure_folders(settings)
    source, code = uploads(settings), 0
    waiting = source.everything()
    for upload in waiting:
        try:
            entry = source.fetch(upload.name)
        except LakehouseError as error:
            sys.stderr.write(f"error: {error}\n")
            code = code or error.exit_code
        else:
            sys.stdout.write(f"{upload.name!a} -> inbox/{entry.name if entry else ''}\n")
    if not waiting:
        sys.stdout.write(f"nothing waits in {settings.s3_inbox}\n")
    return code
