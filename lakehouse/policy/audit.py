"""What was denied: one line of JSON for each decision, with who asked and why not, and no value of any data."""

import json
import logging
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.policy.decisions import Decision

log = logging.getLogger(__name__)
MAX_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class DeniedLog:
    """Appends to one file, readable by its owner only; a full file becomes ``<name>.1`` in place of the one before."""

    path: Path
    max_bytes: int = MAX_BYTES
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def record(self, decision: Decision, *, asked_by: str) -> None:
        """Keep a denied decision. `asked_by` names the step: sql or training."""
        known = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "asked_by": asked_by,
            "user": decision.user,
            "purpose": decision.purpose,
            "dataset": decision.dataset,
            "part": decision.part,
            "reason": decision.reason,
        }
        log.warning("denied %s", " ".join(f"{name}={value!r}" for name, value in known.items() if name != "at"))
        line = json.dumps(known, ensure_ascii=False) + "\n"
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_file() and self.path.stat().st_size + len(line) > self.max_bytes:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8") as file:
                file.write(line)
