"""An upload becomes a stored dataset by the sensors alone: told of or found, once, whatever else is told."""

import contextlib
import hashlib
import io
import shutil
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.code_location import build
from dagster_project.loop import Loop
from dagster_project.sensors import inbox_sensor
from dagster_project.upload_sensor import SETTLE_SECONDS, UPLOAD_TAG, upload_sensor
from dagster_project.wiring import versions
from lakehouse.archive.upload_queue import UploadQueue
from lakehouse.archive.uploads import Uploads
from lakehouse.errors import ServiceUnavailableError
from lakehouse.samples import college_scorecard
from lakehouse.storage_ports import REPORTS, UploadedObject

POLL_SECONDS = 300


class Bucket:
    """A bucket in memory, which can be away."""

    def __init__(self):
        self.bodies, self.away = {}, False

    def objects(self, prefix):
        for key in sorted(self.bodies, key=str.encode):
            if key.startswith(prefix):
                yield UploadedObject(key, len(self.bodies[key]), str(hash(self.bodies[key])))

    @contextlib.contextmanager
    def opened(self, one):
        if self.away:
            raise ServiceUnavailableError("the storage does not answer; start it")
        yield io.BytesIO(self.bodies[one.key])

    def put(self, key, body):
        self.bodies[key] = body


class Site:
    """A bench with a bucket of uploads, its sensors asked as the daemon does, and a clock."""

    def __init__(self, bench, monkeypatch):
        self.bench, self.bucket, self.now = bench, Bucket(), 1_000_000.0
        home = bench.settings.home
        queue = UploadQueue(home / "uploads")
        self.uploads = Uploads(self.bucket, queue, home / "inbox", home / "archive" / "uploads")
        settings = bench.settings.model_copy(update={"s3_inbox": "inbox", "s3_endpoint": "127.0.0.1:9"})
        self.defs = build(settings, uploads=self.uploads)
        self.cursors = {}
        monkeypatch.setattr("dagster_project.upload_sensor.time.time", lambda: self.now)

    def ask(self, sensor, **resources):
        with dg.build_sensor_context(
            instance=self.bench.loop.instance,
            cursor=self.cursors.get(sensor.name),
            resources=resources,
            definitions=self.defs,
        ) as context:
            result = sensor(context)
        self.cursors[sensor.name] = result.cursor
        self.said = result.skip_reason.skip_message if result.skip_reason else ""
        return result.run_requests or []

    def look(self):
        return self.ask(upload_sensor(1, POLL_SECONDS), uploads=self.uploads)

    def collect(self, request):
        return self.defs.resolve_job_def("collect").execute_in_process(
            instance=self.bench.loop.instance,
            run_config=request.run_config,
            tags=request.tags,
            raise_on_error=False,
        )

    def store(self, request):
        return Loop(self.defs, self.bench.loop.instance).store(request.partition_key)

    def report(self, name):
        """What the uploader of an archive can read of it."""
        return self.bucket.bodies[f"{REPORTS}{hashlib.sha256(self.bucket.bodies[name]).hexdigest()}.txt"].decode()

    def arrivals(self):
        looks = inbox_sensor(1)
        return self.ask(looks, shelf=self.bench.shelf) + self.ask(looks, shelf=self.bench.shelf)


@pytest.fixture
def site(bench, monkeypatch):
    made = Site(bench, monkeypatch)
    made.look()  # the bucket has been looked through just now
    return made


def wave(tmp_path, year=2007) -> bytes:
    folder = college_scorecard.write(year, tmp_path)
    return Path(shutil.make_archive(str(tmp_path / "packed"), "zip", folder)).read_bytes()


def test_an_upload_that_is_told_of_is_stored_once(site, tmp_path):
    site.bucket.bodies["wave.zip"] = wave(tmp_path)
    assert site.look() == [], "nobody told, and the bucket is looked through only now and then"
    for name in ("late/", "wave.zip", "wave.zip", "early/"):
        site.uploads.queue.add(name)
    (request,) = site.look()
    assert site.collect(request).success
    assert site.look() == []
    assert site.uploads.queue.names() == []

    (arrival,) = site.arrivals()
    assert site.store(arrival).success
    assert "STORED  college_scorecard 2007" in site.report("wave.zip")
    assert len(versions(site.bench.settings).versions("college_scorecard")) == 1

    site.uploads.queue.add("wave.zip")
    assert site.look() == site.arrivals() == []
    assert site.uploads.queue.names() == []


def test_an_upload_that_is_turned_away_is_told_of_where_its_uploader_can_read_it(site):
    site.bucket.bodies["broken.zip"] = b"PK, and then nothing"
    site.uploads.queue.add("broken.zip")
    (request,) = site.look()
    assert site.collect(request).success
    (arrival,) = site.arrivals()
    assert not site.store(arrival).success
    assert "REFUSED" in site.report("broken.zip")
    site.now += POLL_SECONDS
    assert site.look() == [], "a report is no upload"


def test_an_upload_nobody_told_of_is_found_in_time(site):
    site.bucket.bodies["wave.zip"] = b"PK"
    site.now += POLL_SECONDS
    assert [request.tags[UPLOAD_TAG] for request in site.look()] == [site.uploads.everything()[0].fingerprint]


def test_a_folder_is_fetched_once_it_stays_as_it_is(site):
    site.bucket.bodies["c/a.csv"] = b"a"
    site.uploads.queue.add("c/")
    assert site.look() == []
    site.now += SETTLE_SECONDS - 1
    site.bucket.bodies["c/b.csv"] = b"b"
    assert site.look() == []
    site.now += SETTLE_SECONDS - 1
    assert site.look() == []
    site.now += 1
    (request,) = site.look()
    assert site.collect(request).success
    assert sorted(path.name for path in next(site.uploads.inbox.glob("c@*")).iterdir()) == ["a.csv", "b.csv"]


def test_a_storage_that_is_away_is_asked_again_a_few_times(site):
    site.bucket.bodies["wave.zip"] = b"PK"
    site.bucket.away = True
    site.uploads.queue.add("wave.zip")
    asked = [request.run_key for request in site.look()]
    assert site.look() == [], "not again at once"
    for _ in range(10):
        site.now += 3600
        asked += [request.run_key for request in site.look()]
    assert len(asked) == len(set(asked)) == 5
    assert site.uploads.queue.names() == ["wave.zip"]
    assert site.said == "given up after 5 tries: 'wave.zip'; see why in their runs, then `lakehouse collect`"
    site.bucket.away = False
    assert site.uploads.fetch("wave.zip") is not None, "as that command does"
    assert (site.look(), site.said) == ([], "")


def test_a_bad_upload_fails_once_with_its_own_exit_code(site):
    site.bucket.bodies |= {"notes.txt": b"x", "c/../../x": b"x"}
    for name in ("notes.txt", "c/"):
        site.uploads.queue.add(name)
    site.look()
    site.now += SETTLE_SECONDS
    codes = {}
    for name in ("notes.txt", "c/"):
        result = site.defs.resolve_job_def("collect").execute_in_process(
            instance=site.bench.loop.instance,
            run_config={"ops": {"fetch_upload": {"config": {"upload": name}}}},
            raise_on_error=False,
        )
        (failed,) = [one for one in result.all_events if one.is_step_failure]
        codes[name] = failed.step_failure_data.user_failure_data.metadata["exit_code"].value
    assert codes == {"notes.txt": 19, "c/": 13}
    site.now += POLL_SECONDS
    assert site.look() == []
