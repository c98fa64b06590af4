"""Where the archive keeps what has landed: one folder per content, one record per arrival, one report per verdict."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from lakehouse.archive.inbox import Arrival, arrivals
from lakehouse.archive.landing import Landed, land
from lakehouse.archive.validate import Report, rules_version, validate
from lakehouse.errors import UnreadableSubmissionError


@dataclass(frozen=True, slots=True)
class Shelf:
    """The archive's folder `root` and the `inbox` where submissions arrive."""

    root: Path
    inbox: Path

    def waiting(self) -> list[Arrival]:
        """Return arrivals in the inbox that have not been taken in as they are now."""
        return [arrival for arrival in arrivals(self.inbox) if not self.taken(arrival)]

    def taken(self, arrival: Arrival) -> bool:
        """Say whether this very arrival has landed and been judged before."""
        record = self._read(arrival.key)
        return record is not None and record["fingerprint"] == arrival.fingerprint

    def take(self, key: str) -> Landed:
        """Land the arrival with that key; an arrival that is gone from the inbox is served from what landed before.

        Raises UnreadableSubmissionError when the key is neither in the inbox nor on the shelf.
        """
        arrival = next((found for found in arrivals(self.inbox) if found.key == key), None)
        record = self._read(key)
        if record is not None and (arrival is None or arrival.fingerprint == record["fingerprint"]):
            return self._landed(record)
        if arrival is None:
            raise UnreadableSubmissionError(
                f"no submission {key!r} in {self.inbox.name}/; hand it in with `lakehouse submit PATH`"
            )
        landed = land(arrival.path, self.root / "submissions")
        self._write(
            self._record(key), {**asdict(landed), "folder": landed.folder.name, "fingerprint": arrival.fingerprint}
        )
        return landed

    def landed(self, key: str) -> Landed:
        """Return what landed under that key; raise UnreadableSubmissionError when nothing has."""
        record = self._read(key)
        if record is None:
            raise UnreadableSubmissionError(f"submission {key!r} has not landed; materialise `submission` first")
        return self._landed(record)

    def judge(self, key: str) -> Report:
        """Return the report on what landed under that key; the same content and rules are judged once."""
        landed = self.landed(key)
        path = self.root / "reports" / f"{key}-{landed.content_sha256[:12]}-{rules_version()[:12]}.json"
        if path.is_file():
            return Report.from_json(path.read_text(encoding="utf-8"))
        report = validate(landed.folder, submission=key, content_sha256=landed.content_sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._replace(path, report.to_json())
        return report

    def accepted_report(self, content_sha256: str) -> Report | None:
        """Return the newest accepted report on exactly this content, whatever key or rules it was judged under."""
        found = [
            Report.from_json(path.read_text(encoding="utf-8"))
            for path in (self.root / "reports").glob(f"*-{content_sha256[:12]}-*.json")
        ]
        accepted = [report for report in found if report.accepted and report.content_sha256 == content_sha256]
        return max(accepted, key=lambda report: report.validated_at, default=None)

    def done(self, key: str) -> None:
        """Note that what landed under the key is stored; until then its arrival may be asked for again."""
        record = self._read(key)
        if record is not None and not record.get("done"):
            self._write(self._record(key), {**record, "done": True})

    def landed_keys(self) -> list[str]:
        """Return the keys of everything that has landed, sorted."""
        return sorted(path.stem for path in (self.root / "arrivals").glob("*.json"))

    def _landed(self, record: dict[str, object]) -> Landed:
        return Landed(
            folder=self.root / "submissions" / str(record["folder"]),
            content_sha256=str(record["content_sha256"]),
            file_count=int(str(record["file_count"])),
            size_bytes=int(str(record["size_bytes"])),
        )

    def _record(self, key: str) -> Path:
        return self.root / "arrivals" / f"{key}.json"

    def _read(self, key: str) -> dict[str, object] | None:
        path = self._record(key)
        if not path.is_file():
            return None
        record: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        return record

    def _write(self, path: Path, record: dict[str, object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._replace(path, json.dumps(record, indent=1, sort_keys=True))

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        partial = path.with_name(f".{path.name}.part")
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
