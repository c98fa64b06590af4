"""What tuning starts from: a folder, or a checkpoint of the hub, whose licence is asked as that of data is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import PurposeError
from lakehouse.policy.licences import licence_allows
from lakehouse.policy.purposes import purposes
from models.durable import in_turn
from models.hub import Hub, HubName, hub_name, hub_record, is_hub_name, kept

PURPOSE = "model_training"


@dataclass(frozen=True, slots=True)
class Bases:
    """The hub, the folder where what is fetched stays, and licences that somebody has read and accepts besides."""

    hub: Hub
    root: Path
    accepted: frozenset[str] = frozenset()

    def folder(self, given: str, tell: Callable[[str], None] = lambda _: None) -> Path:
        """Return the folder of a base that a person named; ``hub:owner/name@revision`` is fetched once a commit.

        Raises:
            HubError: the hub does not answer, what it has cannot be used, or it was fetched from another hub.
            PurposeError: the model card's licence does not let everybody learn from it, and nobody accepted it.
            CheckpointError: it was fetched before and altered since.
        """
        if not is_hub_name(given):
            return Path(given)
        name = hub_name(given)
        found = kept(name, self.root, self.hub.url)
        if found is not None:
            self._require_licence(name, str(hub_record(found)["base_hub"]["licence"]))
            return found
        listed = self.hub.listed(name)
        self._require_licence(listed.name, listed.licence)
        with in_turn(self.root / f".{listed.name.folder}.fetching"):
            found = kept(listed.name, self.root, self.hub.url)
            if found is None:
                tell(f"fetching {listed.name}: {len(listed.files)} files, {listed.size_bytes / 1e6:.1f} MB")
                found = self.hub.fetched(listed, self.root)
        tell(f"base: {listed.name}, licence {listed.licence or 'none'}")
        return found

    def _require_licence(self, name: HubName, licence: str) -> None:
        if licence_allows(licence, purposes()[PURPOSE].needs) or (licence or "none") in self.accepted:
            return
        told = f"its model card names the licence {licence}" if licence else "its model card names no licence"
        raise PurposeError(
            f"{name}: {told}, which is not known to let everybody adapt and share it; read its terms, and if you may, "
            f"add {licence or 'none'} to LAKEHOUSE_HUB_LICENCES"
        )
