"""Who there is: apart from the wiring, for commands that need nothing else of it start in a third of the time."""

from dagster_project.settings import Settings
from lakehouse.policy.users import UsersFile


def users_file(settings: Settings) -> UsersFile:
    """Return who there is, with which roles and purposes."""
    return UsersFile(settings.policy or settings.home / "policy.yaml", settings.sql_user)
