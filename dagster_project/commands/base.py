"""What every verb shares: help that ends with an example, and settings of this machine."""

from typing import Any

import click

from dagster_project.settings import Settings, load_settings


class ExampleCommand(click.Command):
    """A command whose help ends with an example, which it must have."""

    def __init__(self, *arguments: Any, example: str, **options: Any) -> None:  # noqa: ANN401 - click's own types
        super().__init__(*arguments, **options)
        self.epilog = f"Example: {example}"


def local() -> Settings:
    """Return the settings, with this machine's secrets and ports made if it has none yet."""
    from dagster_project.local_env import ensure_local

    return ensure_local(load_settings())
