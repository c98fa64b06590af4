"""What the one SeaweedFS process promises to the people who run it."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse.adapters import seaweedfs
from lakehouse.errors import ServiceUnavailableError
from lakehouse.ports import TableWrite

pytestmark = pytest.mark.servers


def listening(pid: int) -> set[tuple[str, int]]:
    """Read the TCP sockets a process listens on from /proc: address in hex, and port."""
    inodes = {
        link.readlink().name.removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and str(link.readlink()).startswith("socket:")
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in inodes:
                address, port = local.split(":")
                found.add((address, int(port, 16)))
    return found


def test_it_listens_on_loopback_only_and_only_where_told(seaweed):
    assert listening(seaweed.process.pid) == {("0100007F", port) for port in seaweed.ports.all()}


def test_it_sends_no_telemetry_and_dials_nobody(seaweed):
    assert "-master.telemetry=false" in seaweed.process.args
    sockets = subprocess.run(["ss", "-tnp"], capture_output=True, text=True, check=True).stdout
    peers = {line.split()[4] for line in sockets.splitlines() if f"pid={seaweed.process.pid}," in line}
    assert all(peer.startswith("127.0.0.1:") for peer in peers)


def test_it_keeps_everything_through_a_kill(seaweed, new_table, marks_of):
    marks = new_table()
    tables, objects = seaweed.tables(), seaweed.objects()
    tables.ensure(marks)
    tables.advance(tables.stage(TableWrite(marks, marks_of("ann")), "audit-x", {}))
    objects.put("kept", b"1")
    seaweed.kill()
    assert not seaweedfs.healthy(seaweed.ports, access_key="test-access", secret_key="test-secret")
    seaweed.start()
    assert tables.read(marks.name)["student"].to_pylist() == ["ann"]
    assert objects.get("kept") == b"1"
    tables.close()


def test_it_keeps_everything_when_its_ports_change(seaweed):
    seaweed.objects().put("moved", b"1")
    old = seaweed.ports
    seaweed.kill()
    seaweed.ports = seaweedfs.SeaweedPorts.free()
    seaweed.start()
    assert seaweed.ports != old
    assert seaweed.objects().get("moved") == b"1"


def test_a_wrong_secret_is_not_healthy(seaweed):
    seaweedfs.wait(seaweed.ports, access_key="test-access", secret_key="test-secret", timeout_s=60)
    assert not seaweedfs.healthy(seaweed.ports, access_key="test-access", secret_key="wrong")


def test_waiting_ends_when_the_process_does():
    ports = seaweedfs.SeaweedPorts.free()
    with pytest.raises(ServiceUnavailableError, match="read its log"):
        seaweedfs.wait(ports, access_key="a", secret_key="b", alive=lambda: False)
    with pytest.raises(ServiceUnavailableError, match="not ready in"):
        seaweedfs.wait(ports, access_key="a", secret_key="b", timeout_s=0.1)


def test_ports_are_free_and_different_and_may_be_chosen():
    ports = seaweedfs.SeaweedPorts.free(s3=9000)
    assert ports.s3 == 9000
    assert len(set(ports.all())) == len(ports.all()) == 11
    assert replace(ports, admin=20_000).admin_grpc == 30_000
