"""SPDX licence expressions as the archive's checks ask about them."""

from lakehouse.policy.licences import LicenceFault, licence_allows, read_licence, unknown_licences

__all__ = ["is_open", "licence_fault", "unknown_licences"]


def licence_fault(expression: str) -> str | None:
    """Return why a text is no SPDX expression; None when it is one."""
    try:
        read_licence(expression)
    except LicenceFault as fault:
        return str(fault)
    return None


def is_open(expression: str) -> bool:
    """Say whether everybody may use, change and share the data, for profit too."""
    return licence_allows(expression, ("share", "adapt", "commercial"))
