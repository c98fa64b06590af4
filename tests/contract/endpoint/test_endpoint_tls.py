"""TLS on the endpoint's own port, and tokens: who may connect, and who is refused."""

import datetime as dt
import ipaddress

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from adbc_driver_flightsql import DatabaseOptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lakehouse.adapters.dremio import DremioQueries
from lakehouse.endpoint.config import EndpointConfig, Tls
from lakehouse.endpoint.server import serve
from lakehouse.errors import ServiceUnavailableError, UnknownSettingError

USER, PASSWORD, TOKEN = "ada", "correct horse battery 1", "a personal token"
NOW = dt.datetime.now(dt.UTC)


def signed(subject, issuer, key, issuer_key, *, authority):
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def named(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, name):
        self.name, self.key = named(name), ec.generate_private_key(ec.SECP256R1())
        self.certificate = pem(signed(self.name, self.name, self.key, self.key, authority=True))

    def issue(self):
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem(signed(named("endpoint"), self.name, key, self.key, authority=False)), text


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority():
    return Authority("ours")


@pytest.fixture(scope="module")
def secured(lake, authority, tmp_path_factory):
    certificate, key = authority.issue()
    folder = tmp_path_factory.mktemp("tls")
    (folder / "chain.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    config = EndpointConfig(
        users={USER: PASSWORD}, roots=(str(lake.warehouse),), port=0, warm_engines=1,
        access_tokens={USER: TOKEN}, tls=Tls.read(folder / "chain.pem", folder / "key.pem"),
    )  # fmt: skip
    server = serve(config, lake.releases)
    yield server
    server.stop()


def test_the_client_of_this_project_connects_with_the_authority(secured, authority):
    assert secured.uri.startswith("grpc+tls://")
    queries = DremioQueries(secured.uri, USER, PASSWORD, root_certificates=authority.certificate)
    assert queries.fetch("SELECT 1 AS n").to_pylist() == [{"n": 1}]
    queries.close()


def test_another_authority_and_a_plain_connection_are_refused(secured):
    for uri, roots in ((secured.uri, Authority("theirs").certificate), (secured.uri.replace("+tls", ""), None)):
        queries = DremioQueries(uri, USER, PASSWORD, root_certificates=roots)
        with pytest.raises(ServiceUnavailableError):
            queries.ping()
        queries.close()


def test_adbc_connects_with_the_authority_and_refuses_another(secured, authority):
    login = {"username": USER, "password": PASSWORD}
    ours = {DatabaseOptions.TLS_ROOT_CERTS.value: authority.certificate.decode()}
    theirs = {DatabaseOptions.TLS_ROOT_CERTS.value: Authority("theirs").certificate.decode()}
    with (
        adbc_driver_flightsql.dbapi.connect(secured.uri, db_kwargs=login | ours, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 7/2 AS n")
        assert cursor.fetchall() == [(3,)]
    with pytest.raises(adbc_driver_manager.Error, match="certificate"):
        adbc_driver_flightsql.dbapi.connect(secured.uri, db_kwargs=login | theirs, autocommit=True)


@pytest.mark.parametrize(("scheme", "token", "welcome"), [
    ("Bearer", TOKEN, True), ("bearer", TOKEN, True), ("Bearer", TOKEN + "x", False), ("Bearer", "", False),
])  # fmt: skip
def test_a_personal_token_needs_no_login(secured, authority, scheme, token, welcome):
    options = flight.FlightCallOptions(headers=[(b"authorization", f"{scheme} {token}".encode())])
    with flight.FlightClient(secured.uri, tls_root_certs=authority.certificate) as client:
        descriptor = flight.FlightDescriptor.for_command(b"SELECT 1 AS n")
        if not welcome:
            with pytest.raises(flight.FlightUnauthenticatedError):
                client.get_flight_info(descriptor, options)
            return
        info = client.get_flight_info(descriptor, options)
        assert (
            client.do_get(info.endpoints[0].ticket, options).read_all().equals(pa.table({"n": pa.array([1], "int32")}))
        )


def test_a_key_that_is_anothers_is_refused_before_the_start(authority, tmp_path):
    (tmp_path / "chain.pem").write_bytes(authority.issue()[0])
    (tmp_path / "key.pem").write_bytes(authority.issue()[1])
    with pytest.raises(UnknownSettingError, match=r"chain\.pem and key .*key\.pem cannot be used"):
        Tls.read(tmp_path / "chain.pem", tmp_path / "key.pem")
    with pytest.raises(UnknownSettingError, match="cannot be used"):
        Tls.read(tmp_path / "absent.pem", tmp_path / "key.pem")
