from pathlib import Path

from lakehouse.adapters import superset

GIVEN = {
    "home": Path("state"),
    "secret_key": "k" * 40,
    "admin_user": "admin",
    "admin_password": "hunter22",
    "sql_uri": "grpc://127.0.0.1:1",
    "sql_user": "u",
    "sql_password": "p",
}


def test_secrets_travel_in_the_environment_and_never_on_the_command_line():
    lines = [
        *superset.command(Path("venv"), host="127.0.0.1", port=1),
        *superset.provision_command(Path("venv")),
    ]
    environment = superset.environment({}, **GIVEN)
    for name in ("SUPERSET_SECRET_KEY", "SUPERSET_ADMIN_PASSWORD", "SUPERSET_SQL_PASSWORD"):
        assert environment[name] not in lines


def test_variables_of_another_superset_or_flask_do_not_leak_in():
    base = {"PATH": "/bin", "SUPERSET_CONFIG": "other", "FLASK_DEBUG": "1", "PYTHONPATH": "/elsewhere"}
    environment = superset.environment(base, **GIVEN)
    assert environment["PATH"] == "/bin"
    assert not {"SUPERSET_CONFIG", "FLASK_DEBUG", "PYTHONPATH"} & set(environment)


def test_it_listens_where_it_is_told():
    command = superset.command(Path("venv"), host="127.0.0.1", port=4321)
    assert command[command.index("--bind") + 1] == "127.0.0.1:4321"


def test_a_server_that_is_not_there_is_not_well():
    assert not superset.healthy("http://127.0.0.1:9")
