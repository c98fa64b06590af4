"""Older versions of objects in the buckets of an S3 server, and deleting them as far as their locks allow."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from minio import Minio
from minio.commonconfig import ENABLED
from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from minio.versioningconfig import SUSPENDED
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from lakehouse.adapters.s3_client import s3_client, s3_pool
from lakehouse.errors import LoginError, ServiceUnavailableError
from lakehouse.storage_ports import Retained, UploadedObject

UNKNOWN = "nobody may ask until when; look at the bucket's lock"
REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")
NONE_KEPT = ("NotImplemented", "NoSuchBucket", "MethodNotAllowed")


@dataclass(frozen=True)
class VersionedBuckets:
    """The bucket of objects and that of tables on a server elsewhere; see `lakehouse.storage_ports.Storage`.

    The account should be allowed to delete versions, and to break a governance lock; a compliance lock nobody breaks.
    `endpoint` is host:port or a URL.
    """

    endpoint: str
    access_key: str
    secret_key: str
    objects: str
    secure: bool = False
    ca_file: Path | None = None

    def reclaim(self) -> None:
        """Do nothing: the server looks after its own disk."""

    def purge(self, tables: Collection[str], names: Callable[[str, bytes], bool]) -> Sequence[Retained]:
        """Delete older versions below the `tables`, and those of other objects that `names` knows."""
        doomed = [(self.objects, one) for one in self._old(self.objects, "") if self._is_named(one, names)]
        for place in tables:
            parts = urlsplit(place)
            prefix = f"{parts.path.strip('/')}/"
            doomed += [(parts.netloc, one) for one in self._old(parts.netloc, prefix)]
        return [kept for bucket, one in doomed for kept in self._destroyed(bucket, _name(one), str(one.version_id))]

    def hidden(self) -> Sequence[UploadedObject]:
        """Return what was deleted from the bucket of objects and is kept; see `lakehouse.storage_ports.Eraser`."""
        found = []
        for key, versions in groupby(self._kept(""), key=_name):
            newest, *older = sorted(versions, key=lambda one: one.is_latest != "true")
            left = [one for one in older if not one.is_delete_marker]
            if newest.is_delete_marker and left:
                last = max(left, key=lambda one: str(one.last_modified))
                found.append(UploadedObject(key, last.size or 0, str(last.etag), str(last.version_id)))
        return found

    def erase(self, names: Collection[str]) -> Sequence[Retained]:
        """Delete from the bucket of objects, with marks of deletion as well; see `lakehouse.storage_ports.Eraser`."""
        doomed = [
            (_name(one), str(one.version_id or "null"))
            for name in sorted(set(names))
            for one in self._kept(name)
            if name.endswith("/") or _name(one) == name
        ]
        return [kept for key, version in doomed for kept in self._destroyed(self.objects, key, version)]

    def destroy(self, retained: Sequence[Retained]) -> Sequence[Retained]:
        """Delete what a lock kept, where its time is over; return what is still kept."""
        return [kept for one in retained for kept in self._destroyed(one.bucket, one.key, one.version)]

    @cached_property
    def _client(self) -> Minio:
        pool = s3_pool(self.ca_file, Retry(3, backoff_factor=0.2))
        return s3_client(self.endpoint, self.access_key, self.secret_key, secure=self.secure, pool=pool)

    def _old(self, bucket: str, prefix: str) -> Iterator[Object]:
        """Yield the versions in a bucket that are not current; marks of deletion hold nothing and stay."""
        try:
            if self._client.get_bucket_versioning(bucket).status not in (ENABLED, SUSPENDED):
                return
            found = self._client.list_objects(bucket, prefix=prefix or None, recursive=True, include_version=True)
            yield from [one for one in found if not one.is_delete_marker and one.is_latest != "true"]
        except S3Error as error:
            if error.code not in NONE_KEPT:
                raise self._translated(bucket, error) from error
        except (MinioException, HTTPError) as error:
            raise self._translated(bucket, error) from error

    def _kept(self, prefix: str) -> list[Object]:
        """Return every version and mark of deletion in the bucket of objects, by key."""
        try:
            found = self._client.list_objects(self.objects, prefix=prefix or None, recursive=True, include_version=True)
            return sorted(found, key=_name)
        except (MinioException, HTTPError) as error:
            raise self._translated(self.objects, error) from error

    def _is_named(self, one: Object, names: Callable[[str, bytes], bool]) -> bool:
        try:
            response = self._client.get_object(self.objects, _name(one), version_id=one.version_id)
            try:
                return names(_name(one), response.read())
            finally:
                response.close()
                response.release_conn()
        except (MinioException, HTTPError) as error:
            raise self._translated(self.objects, error) from error

    def _destroyed(self, bucket: str, key: str, version: str) -> Iterator[Retained]:
        """Delete a version; yield what is known of it when a lock keeps it."""
        doomed = [DeleteObject(key, version)]
        try:
            faults = list(self._client.remove_objects(bucket, doomed, bypass_governance_mode=True))
            if faults and faults[0].code == "AccessDenied":
                # Without the right to break locks the request is refused as a whole, though there may be no lock.
                faults = list(self._client.remove_objects(bucket, doomed))
        except (MinioException, HTTPError) as error:
            raise self._translated(bucket, error) from error
        if faults and faults[0].code not in ("NoSuchVersion", "NoSuchKey"):
            yield Retained(bucket, key, version, self._until(bucket, key, version))

    def _until(self, bucket: str, key: str, version: str) -> str:
        try:
            if self._client.is_object_legal_hold_enabled(bucket, key, version):
                return "its legal hold is lifted"
            retention = self._client.get_object_retention(bucket, key, version)
        except S3Error:
            return UNKNOWN
        except (MinioException, HTTPError) as error:
            raise self._translated(bucket, error) from error
        return retention.retain_until_date.isoformat(timespec="seconds") if retention else UNKNOWN

    def _translated(self, bucket: str, error: Exception) -> Exception:
        place = f"bucket {bucket} on {self.endpoint}"
        if isinstance(error, S3Error) and error.code in REFUSED:
            return LoginError(f"{place} refused to show or delete versions ({error.code}); check the steward's key")
        return ServiceUnavailableError(f"{place} does not answer ({error}); start the server and withdraw again")


def _name(one: Object) -> str:
    assert one.object_name is not None, "what is listed has a name"
    return one.object_name
