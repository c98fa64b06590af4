"""What every verb shares: help that ends with an example, and settings of this machine."""

from typing import Any

import click

from dagster_project.settings import Settings, load_settings
from dagster_project.stopping import stoppable, terminated

LONGEST_SENTENCE = 1_000
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143


class Verbs(click.Group):
    """The verbs in the order of the flow, each with its whole sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Return the names as COMMANDS has them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever a verb gives
        """Run a verb; one that a signal stops says so and ends with that signal's code, where click would say 1."""
        with stoppable():
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt as stopped:
                click.echo(str(stopped) or "stopped", err=True)
                ctx.exit(EXIT_TERMINATED if terminated() else EXIT_INTERRUPTED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write what each verb does; click itself cuts it short."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(LONGEST_SENTENCE)) for name, command in self.commands.items()]
            )


class ExampleCommand(click.Command):
    """A command whose help ends with an example, which it must have."""

    def __init__(self, *arguments: Any, example: str, **options: Any) -> None:  # noqa: ANN401 - click's own types
        super().__init__(*arguments, **options)
        self.epilog = f"Example: {example}"


def local() -> Settings:
    """Return the settings, with this machine's secrets and ports made if it has none yet."""
    from dagster_project.local_env import ensure_local

    return ensure_local(load_settings())
