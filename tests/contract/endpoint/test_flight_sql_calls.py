"""Calls of Flight SQL beyond statements: type information and the session's options."""

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from lakehouse.endpoint import flight_sql, session_options

USER, PASSWORD = "ada", "correct horse battery 1"


def command(client, name, **values):
    descriptor = flight.FlightDescriptor.for_command(flight_sql.pack(name, **values))
    info = client.flight.get_flight_info(descriptor, client.options)
    table = client.flight.do_get(info.endpoints[0].ticket, client.options).read_all()
    assert table.schema == info.schema
    return table


def test_type_information_lists_what_columns_can_be(client):
    table = command(client, "CommandGetXdbcTypeInfo")
    assert table["type_name"].to_pylist() == [
        "BOOLEAN", "BIGINT", "BINARY VARYING", "DECIMAL", "INTEGER", "FLOAT", "DOUBLE", "CHARACTER VARYING",
        "DATE", "TIME", "TIMESTAMP",
    ]  # fmt: skip
    assert table["data_type"].to_pylist() == sorted(table["data_type"].to_pylist())
    used = set(client.fetch("SELECT DISTINCT DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS")["DATA_TYPE"].to_pylist())
    assert used - {"ARRAY", "ROW", "MAP"} <= set(table["type_name"].to_pylist())
    (moment,) = command(client, "CommandGetXdbcTypeInfo", data_type=93).to_pylist()
    assert (moment["type_name"], moment["literal_prefix"], moment["datetime_subcode"]) == (
        "TIMESTAMP",
        "TIMESTAMP '",
        3,
    )


def test_keys_are_answered_without_an_endpoint(client):
    for name in flight_sql.KEY_CALLS:
        descriptor = flight.FlightDescriptor.for_command(flight_sql.pack(name))
        assert client.flight.get_flight_info(descriptor, client.options).endpoints == []


def test_adbc_sets_and_reads_the_default_schema(server):
    options = {"username": USER, "password": PASSWORD, "adbc.flight.sql.rpc.with_cookie_middleware": "true"}
    with adbc_driver_flightsql.dbapi.connect(server.uri, db_kwargs=options, autocommit=True) as connection:
        connection.adbc_current_db_schema = "lakehouse.gold"
        assert connection.adbc_current_db_schema == "lakehouse.gold"
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) AS n FROM documents")
            assert cursor.fetchall() == [(40,)]
        with pytest.raises(adbc_driver_manager.Error):
            connection.adbc_current_catalog = "elsewhere"


def act(client, name, body=b"", cookie=None):
    headers = [cookie] if cookie else []
    options = flight.FlightCallOptions(headers=[client.token, *headers])
    return [result.body.to_pybytes() for result in client.flight.do_action(flight.Action(name, body), options)]


def test_an_unknown_session_option_is_named_and_a_closed_session_is_gone(client, server):
    client.token = client.flight.authenticate_basic_token(USER, PASSWORD)
    request = session_options.CLASSES["SetSessionOptionsRequest"](
        session_options=[
            {"key": "colour", "value": {"string_value": "red"}},
            {"key": "schema", "value": {"bool_value": True}},
        ]
    )
    (answer,) = act(client, session_options.SET, request.SerializeToString())
    found = session_options.CLASSES["SetSessionOptionsResult"].FromString(answer)
    assert {error.key: error.value.value for error in found.errors} == {"colour": 1, "schema": 2}
    with pytest.raises(pa.ArrowInvalid, match="cannot be read"):
        act(client, session_options.SET, b"\xff\xff\xff")
    (answer,) = act(client, session_options.CLOSE)
    assert session_options.CLASSES["CloseSessionResult"].FromString(answer).status == session_options.CLOSED
