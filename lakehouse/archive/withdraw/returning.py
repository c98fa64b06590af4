"""Finds people who were withdrawn in what is handed in later; receipts keep keyed hashes of what identified them."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakehouse.archive.apart import WHOLE, GivenUp, do_apart
from lakehouse.archive.findings import Finding, Report
from lakehouse.archive.levels import Number, numbered_row, printable
from lakehouse.archive.limited import DEFAULT_JUDGING_LIMITS, given_up_finding
from lakehouse.archive.withdraw.matching import folded
from lakehouse.archive.withdraw.receipt import PRIVATE_KEY, Signer
from lakehouse.archive.withdraw.statements import MAILTO
from lakehouse.durable_files import replace_file
from lakehouse.errors import RefusedError
from lakehouse.ports import ObjectStore
from lakehouse.tables.withdrawals import PREFIX, RECEIPT

RETURNED_CODE = "PERSONAL_WITHDRAWN"
WITHDRAWAL = "withdrawal receipt 1"
ANY_KIND = "person"
"""The kind of somebody whom no dataset declared; in a later one they may be of any kind."""


@dataclass(frozen=True, slots=True)
class WithdrawnPeople:
    """Everybody whom the archive's receipts tell of; `kept` is a folder for what was found in which content."""

    objects: ObjectStore
    signer: Signer
    kept: Path
    _receipts: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def found_in(self, report: Report, folder: Path) -> Report:
        """Return the report with a finding for each place of the folder that names somebody who was withdrawn.

        The same content is looked through once for the same people. Who was withdrawn is part of the verdict then, so
        a report with such a finding carries another version of the rules.

        Raises:
            ServiceUnavailableError: the process that looks could not be started.
            LakehouseError: the content cannot be read, although the report says that it can.
        """
        told = self._told_of(report)
        mine = self.signer.public_hex() if told else ""
        strange = sorted(str(one["receipt"]) for one in told if one["signed_by"] != mine)
        known = _by_kind(report, [one for one in told if one["signed_by"] == mine])
        found = [*(self._findings(report, folder, known) if known else []), *([_unknown(strange)] if strange else [])]
        return report.with_more(found) if found else report

    def _told_of(self, report: Report) -> list[Mapping[str, Any]]:
        """Return the receipts on people who may be in a dataset, with the key that signed each; they never change."""
        kinds = report.description.subjects.keys() if report.description is not None else ()
        keys = [key for key in self.objects.keys(PREFIX) if key.endswith(RECEIPT)] if kinds else []
        for key in [key for key in keys if key not in self._receipts]:
            document = json.loads(self.objects.get(key))
            self._receipts[key] = {**document["receipt"], "signed_by": document["signature"]["public_key"]}
        told = [self._receipts[key] for key in keys if self._receipts[key]["format"] == WITHDRAWAL]
        return [
            one
            for one in told
            if one["subject"].get("dataset") in (None, report.dataset) and one["subject"]["kind"] in (ANY_KIND, *kinds)
        ]

    def _findings(self, report: Report, folder: Path, known: Mapping[str, list[str]]) -> list[Finding]:
        asked = hashlib.sha256(json.dumps([report.content_sha256, known]).encode()).hexdigest()
        path = self.kept / f"{report.content_sha256[:12]}-{asked[:12]}.json"
        if path.is_file():
            found: Mapping[str, list[int]] = json.loads(path.read_text(encoding="utf-8"))
        else:
            arguments = {
                "folder": str(folder.resolve()),
                "salt": self.signer.salt().hex(),
                "known": known,
                "whole": all(one.level != "error" or one.is_acceptable for one in report.findings),
            }
            answer: Any = do_apart("recognise", arguments, DEFAULT_JUDGING_LIMITS)
            if isinstance(answer, GivenUp):
                return [given_up_finding(answer)]
            found = answer
            replace_file(path, json.dumps(found))
        return [_finding(place, count, rows) for place, (count, *rows) in found.items()]


def _by_kind(report: Report, told: Collection[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the hashes of withdrawn people by the kinds of the dataset that they may be of."""
    subjects = report.description.subjects if report.description is not None else {}
    known: dict[str, set[str]] = {}
    for one in (receipt["subject"] for receipt in told):
        hashes = {one["keyed_hash"], *one.get("identifiers_hashed", ())}  # receipts of earlier versions have the one
        for kind in subjects if one["kind"] == ANY_KIND else [one["kind"]]:
            known.setdefault(kind, set()).update(hashes)
    return {kind: sorted(hashes) for kind, hashes in sorted(known.items())}


def hashes_of(values: Collection[str], signer: Signer) -> list[str]:
    """Return the keyed hashes by which a person is recognised later, also as statements hash an address; sorted."""
    forms = {folded(value) for value in values} | {value.strip() for value in values}
    addresses = {
        hashlib.sha1(f"{MAILTO}{one}".encode(), usedforsecurity=False).hexdigest() for one in forms if "@" in one
    }
    return sorted(signer.fingerprint(one) for one in forms | addresses)


def _unknown(receipts: list[str]) -> Finding:
    number = Number(len(receipts))
    return Finding(
        code=RETURNED_CODE,
        level="error",
        place=WHOLE,
        occurrences=len(receipts),
        first_row=None,
        message=(
            f"{number:withdrawal} {number:was|were} signed with another key than this archive has now, so it cannot be "
            f"told whether the dataset names those people again: {', '.join(receipts[:5])}{', ...' * (number > 5)}."
        ),
        how_to_fix=(
            f"Restore keys/{PRIVATE_KEY} from a backup. Or look who they were, and answer for it: `lakehouse accept`."
        ),
        exit_code=RefusedError.exit_code,
    )


def _finding(place: str, count: int, rows: list[int]) -> Finding:
    number = Number(count)
    return Finding(
        code=RETURNED_CODE,
        level="error",
        place=printable(place),
        occurrences=count,
        first_row=rows[0],
        message=(
            f"{number:row} {number:names|name} somebody who was withdrawn from this archive; first in row "
            f"{numbered_row(place, rows[0])}."
        ),
        how_to_fix=(
            "Take these rows out, with what hangs on them, and see that the source does not send them again. Or, where "
            "the person has come back or it is somebody else, answer for it: `lakehouse accept`."
        ),
        exit_code=RefusedError.exit_code,
        rows=tuple(rows),
    )
