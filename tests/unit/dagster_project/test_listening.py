"""A server whose port is taken is not started, and the error says who holds it and which setting moves it."""

import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from dagster_project.cli import main
from dagster_project.listening import Listens, require_free
from dagster_project.local_env import ensure_local
from dagster_project.services import services
from dagster_project.settings import load_settings
from dagster_project.supervisor import Service, Supervisor
from lakehouse.errors import PortTakenError
from tests.waiting import is_running

LISTENING = """
import socket, sys, time
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.fixture
def stranger(port):
    with subprocess.Popen([sys.executable, "-c", LISTENING, "", str(port)], stdout=subprocess.PIPE) as program:
        assert program.stdout.readline() == b"up\n"
        yield program
        program.kill()


def server(tmp_path, port):
    log = tmp_path / "logs" / "one.log"
    return Service(
        name="one",
        command=(sys.executable, "-c", LISTENING, "127.0.0.1", str(port)),
        environment={"PATH": "/usr/bin:/bin"},
        folder=tmp_path,
        healthy=lambda: log.is_file() and log.read_bytes().strip() != b"",
        needed_for="the test",
        listens=Listens("127.0.0.1", [port], ["LAKEHOUSE_ONE_PORT"]),
    )


def test_another_program_is_named_with_the_setting_that_moves_the_server(tmp_path, port, stranger):
    supervisor = Supervisor(tmp_path)
    with pytest.raises(PortTakenError) as refused:
        supervisor.start(server(tmp_path, port))
    said, process = str(refused.value), f"process {stranger.pid}"
    assert said.startswith(f"one was not started, for it cannot have port {port} of 127.0.0.1: {process} (")
    assert f"{port}), no server of a lake, holds it. End that, or move one: " in said
    assert f"give LAKEHOUSE_ONE_PORT in {tmp_path}/local.env another port" in said
    assert list(tmp_path.iterdir()) == []


def test_a_server_of_this_lake_that_nobody_knows_any_more_is_told_from_others(tmp_path, port):
    supervisor, one = Supervisor(tmp_path), server(tmp_path, port)
    supervisor.start(one)
    supervisor.wait(one)
    pid = supervisor.pid("one")
    try:
        assert not supervisor.start(one), "it is the supervisor's own"
        (tmp_path / "run" / "one.json").unlink()
        for root, lake in ((tmp_path, "this lake"), (tmp_path / "other", f"the lake in {re.escape(str(tmp_path))}")):
            told = f"process {pid}, a `one` server that was started for {lake}, holds it"
            with pytest.raises(PortTakenError, match=told):
                Supervisor(root).start(one)
        assert supervisor.names() == []
    finally:
        os.killpg(pid, signal.SIGKILL)
        supervisor._children[pid].wait()
    assert not is_running(pid)
    assert supervisor.start(one), "what is left of closed connections holds no port"
    supervisor.stop("one")


def test_every_port_of_a_server_is_tried_and_all_settings_that_move_it_are_named(tmp_path, port, stranger):
    one = replace(server(tmp_path, port), listens=Listens("127.0.0.1", [0, port], ["LAKEHOUSE_A", "LAKEHOUSE_B"]))
    moved = f"remove LAKEHOUSE_A and LAKEHOUSE_B from {tmp_path}/local.env, and the next start chooses free ports"
    with pytest.raises(PortTakenError, match=f"process {stranger.pid} .*{re.escape(moved)}"):
        Supervisor(tmp_path).require_ports([one])


def test_a_port_that_may_not_be_used_at_all_is_told_as_the_system_says(tmp_path):
    with pytest.raises(PortTakenError, match=r"the system says: Cannot assign requested address\. Move one: give"):
        require_free("one", Listens("192.0.2.1", [8080], ["LAKEHOUSE_ONE_PORT"]), tmp_path)


def settings_of(home, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(home))
    return ensure_local(load_settings())


@pytest.mark.parametrize("verb", ["up", "demo"])
def test_no_server_is_started_where_the_last_one_cannot_be(tmp_path, monkeypatch, capsys, port, stranger, verb):
    settings_of(tmp_path, monkeypatch)
    monkeypatch.setenv("LAKEHOUSE_SUPERSET_PORT", str(port))
    with pytest.raises(SystemExit) as ended:
        main([verb])
    assert ended.value.code == PortTakenError.exit_code
    assert f"superset was not started, for it cannot have port {port}" in capsys.readouterr().err
    assert Supervisor(tmp_path).names() == []
    assert not (tmp_path / "logs").exists()


def test_each_server_says_which_of_the_written_settings_move_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_S3_INBOX", "inbox")
    settings = settings_of(tmp_path, monkeypatch)
    written = settings.env_file.read_text().splitlines()
    for service in services(settings):
        assert service.listens.settings, service.name
        names = tuple(f"{name}=" for name in service.listens.settings)
        kept = [line for line in written if not line.startswith(names)]
        assert len(kept) == len(written) - len(names), service.name
        settings.env_file.write_text("\n".join(kept) + "\n")
        (moved,) = [each for each in services(ensure_local(load_settings())) if each.name == service.name]
        assert len(moved.listens.ports) == len(service.listens.ports)
