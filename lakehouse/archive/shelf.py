"""Where the archive keeps what has landed: one folder per content, one record per arrival, one report per verdict."""

import json
import re
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from lakehouse.archive.acceptances import Acceptance, acceptance, applied, as_json, read_acceptances
from lakehouse.archive.findings import Report
from lakehouse.archive.gate import FairGate
from lakehouse.archive.inbox import Arrival, arrivals
from lakehouse.archive.landing import Landed
from lakehouse.archive.landing_apart import land_in_child
from lakehouse.archive.limited import broke_off, judge_in_child
from lakehouse.archive.rule_packs import Packs, load_packs
from lakehouse.archive.stated_keys import keys_in_child
from lakehouse.durable_files import replace_file
from lakehouse.errors import PermanentError, UnreadableSubmissionError, VersionTakenError
from lakehouse.ports import DatasetVersions
from lakehouse.tables.lock import archive_lock

LONGEST_SAVING_SECONDS = 600.0
FOLDER_NAME = re.compile(r"[0-9a-f]{12}")
REPORT_NAME = re.compile(r"(?P<key>.+)-(?P<content>[0-9a-f]{12})-[0-9a-f]{12}\.json")
SUPERSEDED = "#"
"""Between a key and the folder of what landed under it before; no key of a version has it."""


class Recogniser(Protocol):
    """Knows who was withdrawn."""

    def found_in(self, report: Report, folder: Path) -> Report:
        """Return the report with a finding for each place of the folder that names somebody who was withdrawn."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The archive's folder `root`, the `inbox` where submissions arrive, and the `packs` and FAIR `gate` they meet.

    `withdrawn` knows the people who must not come back with a submission.
    """

    root: Path
    inbox: Path
    gate: FairGate = field(default_factory=FairGate)
    packs: Packs = field(default_factory=load_packs)
    withdrawn: Recogniser | None = None

    def waiting(self) -> list[Arrival]:
        """Return arrivals in the inbox that are not finished as they are now."""
        return [arrival for arrival in arrivals(self.inbox) if not self.finished(arrival)]

    def finished(self, arrival: Arrival) -> bool:
        """Say whether this very arrival was stored, refused or found unusable; anything else may be tried again."""
        return arrival.fingerprint in self._finished(arrival.key)

    def take(self, key: str, versions: DatasetVersions) -> Landed:
        """Land the arrival with that key; an arrival that is gone or finished is served from what landed before.

        What is saved as a version stays on the shelf: other content under its label is turned away.

        Raises:
            UnreadableSubmissionError: the key is neither in the inbox nor on the shelf.
            UnsafeArchiveError: its archive must not be unpacked.
            VersionTakenError: the key's version label belongs to other content.
        """
        record = self._read(self._record(key))
        arrival = next((found for found in self.waiting() if found.key == key), None)
        if record is not None and (arrival is None or arrival.fingerprint == record["fingerprint"]):
            return self._landed(record)
        if arrival is None:
            raise UnreadableSubmissionError(
                f"no submission {key!r} in {self.inbox.name}/; hand it in with `lakehouse submit PATH`"
            )
        try:
            landed = land_in_child(arrival.path, self.root / "submissions")
            dataset, _, label = key.partition("@")
            saved = versions.find(dataset, label)
            if saved is not None and saved.content_sha256 != landed.content_sha256:
                raise VersionTakenError(
                    f"{key} is already in the archive with other content (commit {saved.commit[:12]}); "
                    "give the new content another version label"
                )
        except PermanentError:
            self._finish(key, arrival.fingerprint)
            raise
        self._write(
            self._record(key), {**asdict(landed), "folder": landed.folder.name, "fingerprint": arrival.fingerprint}
        )
        return landed

    def landed(self, key: str) -> Landed:
        """Return what landed under that key; raise UnreadableSubmissionError when nothing has."""
        record = self._read(self._record(key))
        if record is None:
            raise UnreadableSubmissionError(f"submission {key!r} was not handed in, or not taken yet; hand it in first")
        return self._landed(record)

    def judge(self, key: str) -> Report:
        """Return the report on what landed under that key; the same content and rules are judged once.

        Who was withdrawn meanwhile is looked for each time. What was accepted and the gate come after: neither needs
        another look at the data.
        """
        return self.gate.applied(self.with_acceptances(self._recognised(key)))

    def with_acceptances(self, report: Report) -> Report:
        """Return the report with what was accepted of its content as warnings."""
        return applied(report, read_acceptances(self._acceptances, report.content_sha256))

    def accept(self, key: str, code: str, place: str, *, by: str, reason: str) -> Acceptance:
        """Record that somebody answers for a finding of what landed under the key, and let it be ingested again.

        What was accepted before stays as it was said first.

        Raises:
            AcceptanceError: there is no such open finding, it cannot be accepted, or name or reason is missing.
        """
        report = self.with_acceptances(self._recognised(key))
        given = read_acceptances(self._acceptances, report.content_sha256)
        said = next((one for one in given if (one.code, one.place) == (code, place)), None)
        if said is None:
            said = acceptance(report, code, place, by=by, reason=reason, at=datetime.now(UTC))
            path = self._acceptances / f"{report.content_sha256}.json"
            replace_file(path, as_json([*given, said]))
        record = self._read(self._record(key))
        assert record is not None, "it has landed"
        kept = [one for one in self._finished(key) if one != record["fingerprint"]]
        self._write(self.root / "finished" / f"{key}.json", {"fingerprints": kept})
        return said

    def accepted_findings(self, key: str) -> list[Acceptance]:
        """Return what was accepted of the content that landed under the key, oldest first."""
        return read_acceptances(self._acceptances, self.landed(key).content_sha256)

    @property
    def _acceptances(self) -> Path:
        return self.root / "acceptances"

    def _recognised(self, key: str) -> Report:
        report = self._judged(key)
        return report if self.withdrawn is None else self.withdrawn.found_in(report, self.landed(key).folder)

    def _judged(self, key: str) -> Report:
        landed = self.landed(key)
        path = self._report(key, landed.content_sha256)
        if path.is_file():
            return Report.from_json(path.read_text(encoding="utf-8"))
        report = judge_in_child(landed.folder, submission=key, content_sha256=landed.content_sha256, packs=self.packs)
        replace_file(path, report.to_json())
        return report

    def keep(self, key: str, report: Report) -> None:
        """Keep a verdict of this machine on what will land under the key, so that the same content is judged once.

        One by other rules is no use here, and one that broke off may come to its end the next time.
        """
        path = self._report(key, report.content_sha256)
        if report.rules_version == self.packs.rules_version and not path.exists() and not broke_off(report):
            replace_file(path, replace(report, submission=key).to_json())

    def _report(self, key: str, content_sha256: str) -> Path:
        return self.root / "reports" / f"{key}-{content_sha256[:12]}-{self.packs.rules_version[:12]}.json"

    def accepted_report(self, content_sha256: str) -> Report | None:
        """Return the newest accepted report on exactly this content, whatever key or rules it was judged under."""
        found = [
            self.with_acceptances(Report.from_json(path.read_text(encoding="utf-8")))
            for path in (self.root / "reports").glob(f"*-{content_sha256[:12]}-*.json")
        ]
        accepted = [report for report in found if report.accepted and report.content_sha256 == content_sha256]
        return max(accepted, key=lambda report: report.validated_at, default=None)

    def saving(self, key: str) -> AbstractContextManager[None]:
        """Hold the turn to judge a version of a dataset and save it; raises TransientError when that takes too long.

        Other versions of the same dataset wait, as they would for its repository, and are told for which one.
        """
        lock = self.root / "saving" / f"{key.partition('@')[0]}.lock"
        return archive_lock(lock, timeout_s=LONGEST_SAVING_SECONDS, doing=f"saving {key}")

    def done(self, key: str) -> None:
        """Note that what landed under the key is stored or refused; its arrival is not asked for again."""
        record = self._read(self._record(key))
        if record is not None:
            self._finish(key, str(record["fingerprint"]))

    def landed_as(self, key: str) -> str:
        """Return the fingerprint of the arrival that landed under the key, as it was then."""
        record = self._read(self._record(key))
        return str(record["fingerprint"]) if record is not None else ""

    def finished_last(self, key: str) -> str:
        """Return the fingerprint of the arrival with that key that was finished last; empty before the first."""
        return (self._finished(key) or [""])[-1]

    def landed_keys(self) -> list[str]:
        """Return the keys of everything that has landed, sorted."""
        return sorted(path.stem for path in (self.root / "arrivals").glob("*.json"))

    def without_key(self) -> list[Path]:
        """Return the folders of what landed under a key that has other content now, sorted.

        A submission that was refused, mended and handed in again under its key leaves its first content so; so does one
        whose key a version has already.
        """
        named = {self.landed(key).folder.name for key in self.landed_keys()}
        there = sorted(path for path in (self.root / "submissions").glob("*") if FOLDER_NAME.fullmatch(path.name))
        return [folder for folder in there if folder.name not in named and folder.is_dir()]

    def superseded(self) -> list[tuple[str, Path]]:
        """Return ``key#folder`` of each folder without a key, and the folder.

        The key is that of the report on it, else the one that it gives itself.
        """
        reports = [REPORT_NAME.fullmatch(path.name) for path in sorted((self.root / "reports").glob("*.json"))]
        keys = {found["content"]: found["key"] for found in reports if found is not None}
        folders = self.without_key()
        stated = keys_in_child([folder for folder in folders if folder.name not in keys])
        keys |= {folder.name: one.key for folder, one in stated.items()}
        return [(f"{keys[folder.name]}{SUPERSEDED}{folder.name}", folder) for folder in folders]

    def _landed(self, record: dict[str, object]) -> Landed:
        return Landed(
            folder=self.root / "submissions" / str(record["folder"]),
            content_sha256=str(record["content_sha256"]),
            file_count=int(str(record["file_count"])),
            size_bytes=int(str(record["size_bytes"])),
        )

    def _finish(self, key: str, fingerprint: str) -> None:
        known = self._finished(key)
        if fingerprint not in known:
            self._write(self.root / "finished" / f"{key}.json", {"fingerprints": [*known, fingerprint]})

    def _finished(self, key: str) -> list[str]:
        record = self._read(self.root / "finished" / f"{key}.json")
        listed = record["fingerprints"] if record is not None else []
        assert isinstance(listed, list), "written by _finish"
        return [str(one) for one in listed]

    def _record(self, key: str) -> Path:
        return self.root / "arrivals" / f"{key}.json"

    @staticmethod
    def _read(path: Path) -> dict[str, object] | None:
        if not path.is_file():
            return None
        record: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        return record

    def _write(self, path: Path, record: dict[str, object]) -> None:
        replace_file(path, json.dumps(record, indent=1, sort_keys=True))
