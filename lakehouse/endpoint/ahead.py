"""Follows the releases, and reads their large tables before anyone asks for them."""

import logging
import os
import threading
import time

from lakehouse.endpoint.catalogue import Catalogues
from lakehouse.endpoint.config import EndpointConfig
from lakehouse.endpoint.duck import LOWEST_PRIORITY, Duck
from lakehouse.endpoint.faults import BusyError, CancelledStatementError, DeadlineError
from lakehouse.endpoint.messages import ENGINE_ERRORS
from lakehouse.endpoint.relations import Relation
from lakehouse.errors import LakehouseError

log = logging.getLogger(__name__)
LOOK_SECONDS = 2.0
RETRY_SECONDS = 60.0


class Ahead:
    """A thread of the lowest priority. It ends with `close`; what it is reading then is given up."""

    def __init__(self, config: EndpointConfig, duck: Duck, catalogues: Catalogues) -> None:
        self._config = config
        self._duck = duck
        self._catalogues = catalogues
        self._closed = threading.Event()
        self._done: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)
        if duck.kept.ahead_bytes:
            self._thread.start()

    def close(self) -> None:
        """Stop, and wait for it."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)  # of this thread alone
        while not self._closed.is_set():
            try:
                for relation in self._due():
                    self._read(relation)
            except (*ENGINE_ERRORS, LakehouseError) as error:
                log.warning("nothing is read ahead now: %s", error)
            except Exception:  # withdrawn rows are dropped here as well, so this goes on whatever happens
                log.exception("nothing is read ahead now")
            self._closed.wait(LOOK_SECONDS)

    def _due(self) -> list[Relation]:
        """Return the large tables of the newest release that were not read yet, those with most to read first."""
        catalogue, kept, now = self._catalogues.current(), self._duck.kept, time.monotonic()
        self._done = {name: again for name, again in self._done.items() if kept.shows(name)}
        relations = [one.relation for one in catalogue.entries.values() if one.relation is not None]
        due = [one for one in relations if kept.shows(one.name) and self._done.get(one.name, 0.0) <= now]
        within = [one for one in due if one.size_bytes <= kept.ahead_bytes]
        return sorted(within, key=lambda one: one.size_bytes, reverse=True)

    def _read(self, relation: Relation) -> None:
        """Read a table once; again after a while where that failed."""
        started = time.monotonic()

        def go_on() -> None:
            if self._closed.is_set() or not self._duck.kept.shows(relation.name):
                raise CancelledStatementError("what is read ahead is not wanted any more")
            if time.monotonic() > started + self._config.statement_seconds:
                raise DeadlineError("the table takes longer to read than a statement may")

        self._done[relation.name] = started + RETRY_SECONDS
        try:
            if self._duck.read_ahead(relation, go_on):
                self._done[relation.name] = float("inf")
                log.info("read ahead relation=%s seconds=%.2f", relation.name, time.monotonic() - started)
        except CancelledStatementError as error:
            log.info("stopped reading ahead relation=%s: %s", relation.name, error)
        except (*ENGINE_ERRORS, BusyError, DeadlineError) as error:
            log.warning("could not read ahead relation=%s: %s", relation.name, error)
