"""The process that forks one for each task: nothing of a task stays, and nothing outlives who asked for it."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.archive import apart, task_process
from lakehouse.archive.apart import Costs, GivenUp, do_apart
from lakehouse.archive.task_process import ROOT, TaskServer
from lakehouse.errors import ServiceUnavailableError
from tests.unit.archive.other_tasks import serving
from tests.waiting import is_running, wait_until

TASKS = """\
import os, tempfile, time
from pathlib import Path

seen = []

def note(what):
    seen.append(what)
    return [seen, os.getppid()]

def about():
    fds = [os.readlink(f"/proc/self/fd/{name}") for name in sorted(os.listdir("/proc/self/fd")) if _open(name)]
    return {
        "environment": dict(os.environ),
        "descriptors": [Path(fd).name for fd in fds],
        "scratch": [tempfile.gettempdir(), str(Path.cwd())],
        "files": os.listdir(),
        "group": os.getpgrp() == os.getpid(),
    }

def _open(name):
    return os.path.lexists(f"/proc/self/fd/{name}")

def sleep(into):
    Path(into, "pid.new").write_text(str(os.getpid()))
    Path(into, "pid.new").rename(Path(into, "pid"))
    time.sleep(1_200)

def breed(into):
    child = os.fork()
    if child == 0:
        time.sleep(1_200)
    Path(into, "pid").write_text(str(child))
    return child
"""
NAMES = ("note", "about", "sleep", "breed")
COSTS = Costs(memory_bytes=1 << 30, wall_seconds=120.0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    with serving(tmp_path / "tasks", TASKS, {name: name for name in NAMES}) as started:
        monkeypatch.setattr(apart, "SERVER", started)
        yield started


@pytest.fixture
def into(tmp_path):
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def asleep(into):
    return do_apart("sleep", {"into": str(into)}, COSTS, [into])


def pid_in(into):
    wait_until((into / "pid").is_file)
    return int((into / "pid").read_text())


def test_tasks_come_from_one_process_and_see_nothing_of_each_other(server):
    (first, parent), (second, same) = (do_apart("note", {"what": what}, COSTS) for what in ("a", "b"))
    assert (first, second) == (["a"], ["b"])
    assert parent == same != os.getpid()


def test_a_task_has_no_way_to_others_and_no_secrets(server, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_MINIO_PASSWORD", "of the store")
    done = do_apart("about", {}, COSTS)
    assert done["descriptors"] == ["null", "log.txt", "log.txt"]
    assert not [name for name in done["environment"] if name.startswith("LAKEHOUSE")]
    assert done["scratch"][0] == done["scratch"][1]
    assert "lakehouse-apart-" in done["scratch"][0]
    assert done["group"]


def test_what_a_task_is_asked_for_is_in_no_file(server):
    # A person who withdraws, or the key of pseudonyms: whoever is killed would leave it there.
    assert do_apart("about", {}, COSTS)["files"] == ["log.txt"]


def test_a_task_that_is_out_of_time_is_gone_before_that_is_told(server, into):
    assert do_apart("sleep", {"into": str(into)}, Costs(wall_seconds=0.5), [into]) == GivenUp(
        "(whole dataset)", "more than 0.5 s"
    )
    assert not (into / "pid").is_file() or not is_running(pid_in(into))
    assert do_apart("note", {"what": "a"}, COSTS)[0] == ["a"]


def test_what_a_task_has_started_ends_with_it(server, into):
    child = do_apart("breed", {"into": str(into)}, COSTS, [into])
    wait_until(lambda: not is_running(child))


def test_many_threads_get_their_own_answers(server):
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: do_apart("note", {"what": number}, COSTS), range(24)))
    assert [what for what, _ in done] == [[number] for number in range(24)]
    assert len({parent for _, parent in done}) == 1


def test_an_interrupted_caller_leaves_no_task_behind(server, into):
    def interrupt():
        pid_in(into)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts in the background ignores it
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            asleep(into)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not is_running(pid_in(into))


def test_a_server_that_ended_between_tasks_is_started_anew(server):
    _, parent = do_apart("note", {"what": "a"}, COSTS)
    os.kill(parent, signal.SIGKILL)
    seen, other = do_apart("note", {"what": "b"}, COSTS)
    assert seen == ["b"]
    assert other != parent


def test_a_server_that_another_thread_has_started_anew_is_left_alone(server):
    _, parent = do_apart("note", {"what": "a"}, COSTS)
    gone = server._orders
    os.kill(parent, signal.SIGKILL)
    _, other = do_apart("note", {"what": "b"}, COSTS)
    server.close(only=gone)
    assert do_apart("note", {"what": "c"}, COSTS) == [["c"], other]


def test_a_server_that_is_killed_meanwhile_is_told_and_its_tasks_end(server, into):
    _, parent = do_apart("note", {"what": "a"}, COSTS)

    def kill():
        pid_in(into)
        os.kill(parent, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(ServiceUnavailableError, match="was ended; try again"):
        asleep(into)
    thread.join()
    wait_until(lambda: not is_running(pid_in(into)))
    assert do_apart("note", {"what": "b"}, COSTS)[0] == ["b"]


def test_a_server_that_nobody_asks_goes_and_the_next_order_starts_another(tmp_path, monkeypatch):
    idle = "task_server.IDLE_SECONDS = 0.05"
    with serving(tmp_path / "tasks", TASKS, {"note": "note"}, idle) as server:
        monkeypatch.setattr(apart, "SERVER", server)
        _, parent = do_apart("note", {"what": "a"}, COSTS)
        wait_until(lambda: not is_running(parent))
        seen, other = do_apart("note", {"what": "b"}, COSTS)
    assert seen == ["b"]
    assert other != parent


def test_a_server_that_cannot_start_is_no_fault_of_a_submission(tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "SERVER", TaskServer(("-c", "raise SystemExit('no such library')")))
    with pytest.raises(ServiceUnavailableError, match="ends at once"):
        do_apart("note", {"what": "a"}, COSTS)
    monkeypatch.setattr(task_process.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(ServiceUnavailableError, match="cannot be started"):
        do_apart("note", {"what": "a"}, COSTS)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("fork", "no process.*Resource temporarily unavailable.*try again"),
        ("chdir", "could not be prepared.*try again"),
    ],
)
def test_a_process_that_the_kernel_refuses_is_told_and_no_other_task_ends(tmp_path, into, monkeypatch, call, told):
    before = (
        "import errno, os\n"
        f"plain = os.{call}\n"
        "def call(*given):\n"
        f"    if os.path.exists({str(tmp_path / 'refuse')!r}):\n"
        "        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))\n"
        "    return plain(*given)\n"
        f"os.{call} = call\n"
    )
    with serving(tmp_path / "tasks", TASKS, {"note": "note", "sleep": "sleep"}, before) as server:
        monkeypatch.setattr(apart, "SERVER", server)
        with ThreadPoolExecutor(1) as pool:
            sleeper = pool.submit(do_apart, "sleep", {"into": str(into)}, Costs(wall_seconds=30), [into])
            task = pid_in(into)
            (tmp_path / "refuse").touch()
            with pytest.raises(ServiceUnavailableError, match=told):
                do_apart("note", {"what": "a"}, COSTS)
            assert is_running(task)
            (tmp_path / "refuse").unlink()
            assert do_apart("note", {"what": "b"}, COSTS)[0] == ["b"]
            os.kill(task, signal.SIGKILL)
            assert isinstance(sleeper.result(), GivenUp)


def test_what_a_fork_of_the_caller_asks_is_done_and_the_server_outlives_it(server):
    _, parent = do_apart("note", {"what": "a"}, COSTS)
    read, write = os.pipe()
    server._lock.acquire()  # as another thread may have it, of which the fork keeps nothing
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            os.write(write, json.dumps(do_apart("note", {"what": "b"}, COSTS)).encode())
            server.close()
        finally:
            os._exit(0)
    server._lock.release()
    os.close(write)
    with os.fdopen(read) as said:
        assert json.loads(said.read()) == [["b"], parent]
    os.waitpid(pid, 0)
    assert do_apart("note", {"what": "c"}, COSTS) == [["c"], parent]


def test_nothing_outlives_a_caller_that_is_killed_and_nothing_is_left_where_it_worked(server, into, tmp_path):
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lakehouse.archive import apart\n"
        "from lakehouse.archive.task_process import TaskServer\n"
        f"apart.SERVER = TaskServer(('-P', {str(tmp_path / 'tasks' / 'start.py')!r}))\n"
        "print(apart.do_apart('note', {'what': 'a'}, apart.Costs())[1], flush=True)\n"
        f"apart.do_apart('sleep', {{'into': {str(into)!r}}}, apart.Costs(), [Path({str(into)!r})])\n"
    )
    (tmp_path / "scratch").mkdir()
    environment = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "scratch")}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as caller:
        parent = int(caller.stdout.readline())
        task = pid_in(into)
        assert is_running(parent)
        assert list((tmp_path / "scratch").iterdir())
        caller.kill()
    wait_until(lambda: not is_running(parent) and not is_running(task))
    assert not list((tmp_path / "scratch").iterdir())
