"""Reports on uploads, where their uploaders may read them: in the bucket, named by the hash of what was uploaded.

Who uploads may list nothing and reads below the reserved place only, so without the content nobody knows the name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehouse.archive.findings import Report
from lakehouse.archive.inbox_reports import bodies
from lakehouse.archive.uploads import Uploads
from lakehouse.storage_ports import REPORTS, UploadBucket


@dataclass(frozen=True, slots=True)
class UploadReports:
    """Where reports on uploads go; nowhere without a bucket of uploads."""

    uploads: Uploads | None = None

    def tell(self, entry: Path | None, report: Report, then: str = "") -> list[str]:
        """Put the report on an entry of the inbox into the bucket that it came from; return the objects' keys.

        None where the entry is gone or was not uploaded.
        """
        if self.uploads is None or entry is None:
            return []
        digest = self.uploads.digest(entry.name)
        return [] if digest is None else put(self.uploads.bucket, digest, bodies(report, then))


def put(bucket: UploadBucket, digest: str, texts: Mapping[str, str]) -> list[str]:
    """Write a report's files, given by the endings that they have in the inbox; return their keys."""
    keys = []
    for ending, text in texts.items():
        keys.append(f"{REPORTS}{digest}{ending.removeprefix('.report')}")
        bucket.put(keys[-1], text.encode(errors="backslashreplace"))
    return keys
