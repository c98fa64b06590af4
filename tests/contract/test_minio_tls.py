"""S3 over TLS by an authority of one's own: every client of the lakehouse trusts it where it is named, and no other."""

import pytest

from dagster_project import storing, wiring
from dagster_project.asking import _s3
from dagster_project.settings import load_settings
from dagster_project.storing import provision
from dagster_project.withdrawing import versioned
from lakehouse.adapters import minio_server
from lakehouse.adapters.dremio import DremioQueries
from lakehouse.adapters.object_store import S3Objects
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.server import serve
from lakehouse.errors import LakehouseError, ServiceUnavailableError, UnknownSettingError
from lakehouse.ports import TableWrite
from lakehouse.tables.write_audit_publish import write_audit_publish
from tests.certificates import self_signed

pytestmark = pytest.mark.servers
SQL = "select student from lakehouse.{}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("authority") / "certificates")


@pytest.fixture(scope="module")
def minio(run_minio, authority):
    with run_minio(certificates=authority.parent, ca_file=authority) as server:
        yield server


@pytest.fixture
def settings_of(minio, tmp_path, monkeypatch):
    """Settings of a role that trusts an authority; the catalog is SQLite, which no setting can name."""
    monkeypatch.setattr(wiring, "is_database", lambda _: True)

    def make(role, ca_file):
        access_key, secret_key = minio.keys[role]
        given = {
            "HOME": tmp_path / "home",
            "STORAGE": "external",
            "S3_ENDPOINT": minio.root.endpoint,
            "S3_SECURE": "true",
            "S3_CA_FILE": ca_file,
            "S3_ACCESS_KEY": access_key,
            "S3_SECRET_KEY": secret_key,
            "S3_INBOX": minio_server.INBOX,
            "CATALOG_WAREHOUSE": "s3://icewh/warehouse",
        }
        settings = load_settings({f"LAKEHOUSE_{name}": str(value) for name, value in given.items()})
        return settings.model_copy(update={"catalog_uri": f"sqlite:///{tmp_path}/catalog.sqlite"})

    return make


def served(settings, house, sql):
    """Return the first column of what a statement gives, asked of an endpoint with these settings."""
    users = {"ada": "correct horse 1"}
    server = serve(EndpointConfig(users=users, roots=("s3://icewh",), port=0, s3=_s3(settings)), house.releases)
    try:
        return DremioQueries(server.uri, "ada", users["ada"]).fetch(sql)[0].to_pylist()
    finally:
        server.stop()


def test_every_client_reaches_a_server_by_the_authority_that_the_settings_name(
    settings_of, authority, new_table, marks_of, provenance, tmp_path
):
    settings, table = settings_of("writer", authority), new_table()
    house = wiring.lakehouse(settings)
    write_audit_publish(house, [TableWrite(table, marks_of("ann", "bo"))], key="k", provenance=provenance)
    assert sorted(house.tables.read(table.name)["student"].to_pylist()) == ["ann", "bo"]
    assert sorted(served(settings, house, SQL.format(table.name))) == ["ann", "bo"]
    assert list(wiring.uploads(settings).bucket.objects("")) == []
    steward = settings_of("steward", authority)
    versioned(steward, steward.s3_bucket).purge([], lambda *_: False)
    stranger = settings_of("reader", self_signed(tmp_path / "other"))
    with pytest.raises(LakehouseError):
        served(stranger, house, SQL.format(table.name))
    house.tables.close()
    distrustful = wiring.lakehouse(stranger)
    with pytest.raises(ServiceUnavailableError, match="certificate"):
        distrustful.objects.get("newest/release")
    with pytest.raises(ServiceUnavailableError, match="certificate"):
        distrustful.tables.read(table.name)
    distrustful.tables.close()


def test_a_storage_behind_tls_is_set_up_as_any_other(settings_of, authority, minio, tmp_path, monkeypatch):
    keys = tmp_path / "keys"
    keys.mkdir()
    given = {"minio_root_user": minio.root.user, "minio_root_password": minio.root.password}
    given |= {"submitter_access_key": "a-new-owner", "submitter_secret_key": "a-new-owner-secret"}
    for name, value in given.items():
        (keys / name).write_text(value)
    settings = settings_of("writer", authority).model_copy(update={"s3_inbox": ""})
    ready = list(provision(settings, keys))
    assert ready[0] == f"ready      MinIO on {minio.root.endpoint}, users submitter"
    owner = S3Objects(minio.root.endpoint, "a-new-owner", "a-new-owner-secret", "inbox", secure=True, ca_file=authority)
    owner.put("marks.zip", b"PK")
    stranger = settings.model_copy(update={"s3_ca_file": self_signed(tmp_path / "other")})
    monkeypatch.setattr(storing, "START_SECONDS", 0.1)
    with pytest.raises(ServiceUnavailableError, match="was not ready"):
        list(provision(stranger, keys))


def test_spark_is_refused_with_the_way_round_it(settings_of, authority):
    with pytest.raises(UnknownSettingError, match="keytool"):
        wiring.spark(settings_of("writer", authority).model_copy(update={"engine": "spark"}))


def test_an_authority_that_nothing_would_ask_for_is_refused(tmp_path, authority):
    plain = {"LAKEHOUSE_HOME": str(tmp_path), "LAKEHOUSE_S3_CA_FILE": str(authority)}
    with pytest.raises(UnknownSettingError, match="S3_SECURE is false"):
        load_settings(plain)
    with pytest.raises(UnknownSettingError, match=r"absent\.pem is not a file"):
        load_settings(plain | {"LAKEHOUSE_S3_CA_FILE": "absent.pem"})
