"""Puts the endpoint together and starts it: database, catalogue, gate, Flight server."""

import gc
import logging
import signal
import threading

import pyarrow as pa

from lakehouse.endpoint.ahead import Ahead
from lakehouse.endpoint.auditing import WatchedExecutor, missed_logins
from lakehouse.endpoint.auth import Gate
from lakehouse.endpoint.catalogue import Catalogues
from lakehouse.endpoint.config import AccessRules, EndpointConfig
from lakehouse.endpoint.duck import Duck
from lakehouse.endpoint.executor import Executor
from lakehouse.endpoint.faults import BusyError
from lakehouse.endpoint.past import Past
from lakehouse.endpoint.permission import Permissions
from lakehouse.endpoint.transport import SqlServer
from lakehouse.errors import ServiceUnavailableError, UnknownSettingError
from lakehouse.tables.release import ReleaseLog

log = logging.getLogger(__name__)


class EndpointServer:
    """A running endpoint. `port` is the real one, also when 0 was asked for."""

    def __init__(self, config: EndpointConfig, releases: ReleaseLog, rules: AccessRules | None = None) -> None:
        if not any(name and password for name, password in config.users.items()):
            raise UnknownSettingError("the SQL endpoint has no users; name at least one user with a password")
        self._duck = Duck(config)
        self.catalogues = Catalogues(self._duck, releases.current, Past(self._duck), poll_seconds=config.poll_seconds)
        self.gate = Gate(
            config.users,
            token_seconds=config.token_seconds,
            session_seconds=config.session_seconds,
            access_tokens=config.access_tokens,
            missed=missed_logins(rules),
        )
        executor = Executor(config, self._duck, self.catalogues)
        if rules is not None:
            permissions = Permissions(self._duck, rules)
            executor = WatchedExecutor(config, self._duck, self.catalogues, permissions, rules)
        try:
            scheme = "grpc+tcp" if config.tls is None else "grpc+tls"
            self._flight = SqlServer(f"{scheme}://{config.host}:{config.port}", self.gate, executor, config.tls)
        except pa.ArrowException as error:
            self._duck.close()
            raise ServiceUnavailableError(
                f"cannot listen on {config.host}:{config.port}; stop what uses that port or choose another"
            ) from error
        self.host = config.host
        self._scheme = "grpc" if config.tls is None else "grpc+tls"
        self._warm()
        self._ahead = Ahead(config, self._duck, self.catalogues)
        self.port = int(self._flight.port)

    @property
    def uri(self) -> str:
        """Where clients connect."""
        return f"{self._scheme}://{self.host}:{self.port}"

    @property
    def running(self) -> int:
        """How many engines work on statements now."""
        return self._duck.pool.running

    @property
    def engines(self) -> list[int]:
        """The process ids of the engines there are."""
        return self._duck.pool.pids

    @property
    def running_engines(self) -> list[int]:
        """The process ids of those that work on statements."""
        return self._duck.pool.running_pids

    @property
    def waiting(self) -> int:
        """How many statements wait for an engine."""
        return self._duck.pool.waiting

    @property
    def kept_bytes(self) -> int:
        """How much memory the rows take that are kept to be handed out again."""
        return self._duck.kept.held_bytes

    @property
    def kept_tables(self) -> int:
        """Of how many tables all rows are kept."""
        return len(self._duck.kept.names)

    def _warm(self) -> None:
        """Pin the tables before the first statement; storage that is not up yet is met again at the next one."""
        try:
            self.catalogues.current()
        except BusyError as error:
            log.warning("starting without a release: %s", error)

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._flight.serve()

    def stop(self) -> None:
        """Stop answering and close the database."""
        self._ahead.close()
        self._flight.shutdown()
        self._duck.close()


def serve(config: EndpointConfig, releases: ReleaseLog, rules: AccessRules | None = None) -> EndpointServer:
    """Start the endpoint in the background and return it; without rules every user sees everything."""
    server = EndpointServer(config, releases, rules)
    log.info("sql endpoint listening host=%s port=%d", server.host, server.port)
    return server


def run_forever(config: EndpointConfig, releases: ReleaseLog, rules: AccessRules | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    server = serve(config, releases, rules)
    # What was loaded stays: looking through all of it for garbage stops every statement for about a tenth of a second.
    gc.collect()
    gc.freeze()
    while not asked.wait(1.0):
        pass
    server.stop()
