"""Keeps what runs print in files, as Dagster does, by processes that Ctrl-C does not reach."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData


class QuietLogManager(LocalComputeLogManager):
    """Dagster's own, whose helpers share the terminal of whoever runs a job there.

    A terminal sends Ctrl-C to all of them: one of Dagster's printed where in its code it was, and the other one did not
    copy to its end. Dagster ends both by itself.
    """

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "QuietLogManager":  # noqa: ANN401 - as Dagster calls it
        """Return one of this class, where the parent names its own."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Copy what is printed meanwhile into files."""
        with ExitStack() as copying:
            # What is blocked stays so in a process that is started; a signal that comes meanwhile comes afterwards.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            try:
                context = copying.enter_context(super().capture_logs(log_key))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield context
