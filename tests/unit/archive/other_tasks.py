"""Has the process that does tasks on files from outside find other tasks than it has, with its real limits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lakehouse.archive.task_process import ROOT, TaskServer

MODULE = "lakehouse_other_tasks"


@contextmanager
def serving(place: Path, program: str, tasks: Mapping[str, str], before: str = "") -> Iterator[TaskServer]:
    """Serve functions of a program, by the names of the tasks that they stand for; `before` is run at the start."""
    (place / MODULE).mkdir(parents=True)
    (place / MODULE / "__init__.py").write_text(program)
    (place / "start.py").write_text(
        f"import sys\nsys.path[:0] = [{str(place)!r}, {str(ROOT)!r}]\n"
        "from lakehouse.archive import child, task_server\n"
        f"child.TASKS.update({ {name: f'{MODULE}:{function}' for name, function in tasks.items()} })\n"
        f"{before}\n"
        "task_server.main()\n"
    )
    server = TaskServer(("-P", str(place / "start.py")))
    try:
        yield server
    finally:
        server.close()
