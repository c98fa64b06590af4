"""The journal of a withdrawal: which steps are done and what they did, so that a killed one is carried on."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from lakehouse.archive.withdraw.plan import Plan
from lakehouse.errors import NoObjectError
from lakehouse.masking import Mask
from lakehouse.ports import ObjectStore
from lakehouse.storage_ports import Storage
from lakehouse.tables.withdrawals import CLOSING, JOURNAL, PLAN, PREFIX, RECEIPT, RETAINED

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Journal:
    """One withdrawal's objects: the plan while it goes on, the journal and the receipt for good."""

    objects: ObjectStore
    receipt: str

    def open(self, plan: Plan) -> None:
        """Keep the plan; from here on the withdrawal is carried out, by whoever looks next."""
        self.objects.put(self._key(PLAN), plan.to_json())

    def once(self, step: str, action: Callable[[], Result]) -> Result:
        """Do a step that has not been done, or return what it did."""
        steps = self.steps()
        if step not in steps:
            steps[step] = action()
            self._write(steps)
        return steps[step]

    def steps(self) -> dict[str, Result]:
        """Return what each finished step did, by name."""
        try:
            steps: dict[str, Result] = json.loads(self.objects.get(self._key(JOURNAL)))["steps"]
        except NoObjectError:
            return {}
        return steps

    def keep(self, document: bytes) -> None:
        """Keep the signed receipt."""
        self.objects.put(self._key(RECEIPT), document)

    def close(self, last: str, mask: Mask) -> None:
        """Delete the plan, which names the person; what is left to do then needs no plan.

        What the `last` step could not remove is listed until it is gone; in the journal, which stays, it is masked.
        """
        steps, kept = self.steps(), self._key(RETAINED)
        if steps[last]["retained"] and kept not in self.objects.keys(kept):
            self.objects.put(kept, json.dumps({"retained": steps[last]["retained"]}).encode())
        self._write({**steps, last: mask.structure(steps[last])})
        self.objects.put(self._key(CLOSING), json.dumps({"receipt": self.receipt}).encode())
        self.objects.delete(self._key(PLAN))

    def _write(self, steps: dict[str, Result]) -> None:
        body = {"receipt": self.receipt, "steps": steps}
        self.objects.put(self._key(JOURNAL), json.dumps(body, sort_keys=True, indent=1).encode())

    def _key(self, ending: str) -> str:
        return f"{PREFIX}{self.receipt}{ending}"


def open_plan(objects: ObjectStore) -> Plan | None:
    """Return the plan of the withdrawal that is not finished, or None."""
    keys = [key for key in objects.keys(PREFIX) if key.endswith(PLAN)]
    return Plan.from_json(objects.get(keys[0])) if keys else None


def finish_closing(objects: ObjectStore, storage: Storage) -> None:
    """Give the bytes of closed withdrawals back to the disk, their plans' too; killed, the next call does it again."""
    for key in [key for key in objects.keys(PREFIX) if key.endswith(CLOSING)]:
        kept = storage.purge((), lambda name, _: name.endswith(PLAN))
        if kept:
            retained = key.removesuffix(CLOSING) + RETAINED
            body = objects.get(retained) if retained in objects.keys(retained) else b'{"retained": []}'
            known = json.loads(body)["retained"]
            more = [one for each in kept if (one := asdict(each)) not in known]
            objects.put(retained, json.dumps({"retained": [*known, *more]}).encode())
        storage.reclaim()
        objects.delete(key)


def receipts(objects: ObjectStore) -> list[dict[str, Any]]:
    """Return all receipts, oldest first, without their signatures."""
    found = [json.loads(objects.get(key))["receipt"] for key in objects.keys(PREFIX) if key.endswith(RECEIPT)]
    return sorted(found, key=lambda receipt: str(receipt["started_at"]))
