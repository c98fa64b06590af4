"""A catalog in PostgreSQL over TLS: reached with its authority, refused with another or under another name."""

import os
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from lakehouse.adapters.catalog import IcebergTables
from lakehouse.errors import PermanentError
from tests.certificates import self_signed

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def encrypted(run_postgres):
    """A PostgreSQL that speaks TLS, and the certificate that tells it."""
    with tempfile.TemporaryDirectory(prefix="certificates-") as folder:
        certificate = self_signed(Path(folder) / "server")
        key = certificate.with_name("private.key")
        key.chmod(0o600)
        if os.getuid() == 0:  # PostgreSQL runs as nobody then, and wants a key of its own
            for path in (Path(folder), certificate.parent, certificate, key):
                shutil.chown(path, "nobody")
        options = {"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key}
        with run_postgres(options=tuple(f"--{name}={value}" for name, value in options.items())) as server:
            yield server, certificate


def tables(server, folder, *, host="127.0.0.1", **options):
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return IcebergTables.database(
        f"postgresql://lake@{host}:{server.port}/postgres?{query}",
        password=server.password,
        warehouse=f"file://{folder}",
        access_key="",
        secret_key="",
        s3_endpoint="",
    )


def test_tables_are_written_and_read_over_a_verified_connection(encrypted, tmp_path, new_table):
    server, certificate = encrypted
    table = new_table()
    with_tls = tables(server, tmp_path, sslmode="verify-full", sslrootcert=certificate)
    with_tls.ensure(table)
    assert table.name in with_tls.tables("silver")
    with psycopg.connect(server.uri, password=server.password) as connection:
        answer = connection.execute(
            "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) "
            "where usename = 'lake' and pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
        assert answer.fetchone() == (True,)
    with_tls.close()


def test_a_server_of_another_authority_is_refused_at_once(encrypted, tmp_path):
    server, _ = encrypted
    stranger = self_signed(tmp_path / "stranger")
    with pytest.raises(PermanentError, match="certificate verify failed") as caught:
        tables(server, tmp_path, sslmode="verify-full", sslrootcert=stranger).tables("silver")
    assert server.password not in str(caught.value)


def test_a_server_under_another_name_than_its_certificates_is_refused_at_once(encrypted, tmp_path):
    server, certificate = encrypted
    with pytest.raises(PermanentError, match="does not match host name"):
        tables(server, tmp_path, host="localhost", sslmode="verify-full", sslrootcert=certificate).tables("silver")
