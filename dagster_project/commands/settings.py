"""Lists the settings."""

import click

from dagster_project.commands.base import ExampleCommand
from dagster_project.settings import PREFIX, load_settings


@click.command(cls=ExampleCommand, example="lakehouse settings")
def settings() -> None:
    """List every setting, its value and its meaning; secrets stay hidden."""
    current = load_settings()
    for name, field in type(current).model_fields.items():
        value = getattr(current, name)
        print(f"{PREFIX}{name.upper()}={'' if value is None else value}\n    {field.description}")
