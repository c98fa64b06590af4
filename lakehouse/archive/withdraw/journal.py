"""The journal of a withdrawal: which steps are done and what they did, so that a killed one is carried on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lakehouse.archive.withdraw.plan import Plan
from lakehouse.errors import NoObjectError
from lakehouse.ports import ObjectStore
from lakehouse.tables.withdrawals import JOURNAL, PLAN, PREFIX, RECEIPT

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
            body = {"receipt": self.receipt, "steps": steps}
            self.objects.put(self._key(JOURNAL), json.dumps(body, sort_keys=True, indent=1).encode())
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

    def close(self) -> None:
        """Delete the plan, which names the person."""
        self.objects.delete(self._key(PLAN))

    def _key(self, ending: str) -> str:
        return f"{PREFIX}{self.receipt}{ending}"


def open_plan(objects: ObjectStore) -> Plan | None:
    """Return the plan of the withdrawal that is not finished, or None."""
    keys = [key for key in objects.keys(PREFIX) if key.endswith(PLAN)]
    return Plan.from_json(objects.get(keys[0])) if keys else None


def receipts(objects: ObjectStore) -> list[dict[str, Any]]:
    """Return all receipts, oldest first, without their signatures."""
    found = [json.loads(objects.get(key))["receipt"] for key in objects.keys(PREFIX) if key.endswith(RECEIPT)]
    return sorted(found, key=lambda receipt: str(receipt["started_at"]))
