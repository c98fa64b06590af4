"""Shows model versions, and takes the decisions of people about them."""

import sys

import click

from dagster_project.commands.base import ExampleCommand, Verbs, local

BY = click.option("--by", required=True, help="Who decides: a user of policy.yaml in the state folder.")
REASON = click.option("--reason", required=True, help="Why; it is kept with the decision.")


@click.group(cls=Verbs, epilog="Example: lakehouse models list")
def models() -> None:
    """List, compare, approve, roll back, retire, restore and shrink model versions."""


@models.command("list", cls=ExampleCommand, example="lakehouse models list")
def list_versions() -> None:
    """List all versions with their stage and their bits per byte on the newest held-out documents."""
    from dagster_project.registering import listed
    from dagster_project.shrinking import listed_forms

    print("\n".join([listed(local()), *listed_forms(local())]))


@models.command(cls=ExampleCommand, example="lakehouse models show gpt-0001")
@click.argument("version")
def show(version: str) -> None:
    """Say everything that is recorded about VERSION: recipe, data, code, environment, judgements and decisions.

    VERSION may also be a smaller form of one, as gpt-0001-int8, a classifier's, as
    subject_classifier-0001, or one of the model that answers, as instructed-0001.
    """
    from dagster_project.registering import shown, shown_tuned
    from dagster_project.shrinking import shown_form
    from models.classifier_versions import is_tuned
    from models.form_store import is_form

    if is_tuned(version):
        print(shown_tuned(local(), version))
        return

    print(shown_form(local(), version) if is_form(version) else shown(local(), version))


@models.command(cls=ExampleCommand, example="lakehouse models diff gpt-0001 gpt-0002")
@click.argument("one")
@click.argument("other")
def diff(one: str, other: str) -> None:
    """Say in what versions ONE and OTHER differ."""
    from dagster_project.registering import differences

    print(differences(local(), one, other))


@models.command(cls=ExampleCommand, example="lakehouse models approve gpt-0002 --by lakehouse --reason 'read the card'")
@click.argument("version")
@BY
@REASON
def approve(version: str, by: str, reason: str) -> None:
    """Make VERSION current, which waits for a person; it is compared again on the documents of today."""
    from dagster_project.registering import approved

    print(approved(local(), version, by=by, reason=reason))


@models.command(cls=ExampleCommand, example="lakehouse models rollback --by lakehouse --reason 'writes nonsense'")
@click.argument("version", required=False)
@BY
@REASON
def rollback(version: str | None, by: str, reason: str) -> None:
    """Make VERSION current again, or the one before the current one; the one left does not come back by itself."""
    from dagster_project.registering import rolled_back

    print(rolled_back(local(), version, by=by, reason=reason))


@models.command(cls=ExampleCommand, example="lakehouse models retire gpt-0001 --by lakehouse --reason 'outdated'")
@click.argument("version")
@BY
@REASON
def retire(version: str, by: str, reason: str) -> None:
    """Keep VERSION back for good, write its post-mortem page, and move its files to the archive."""
    from dagster_project.registering import retired

    print(retired(local(), version, by=by, reason=reason))


@models.command(cls=ExampleCommand, example="lakehouse models restore gpt-0001")
@click.argument("version")
def restore(version: str) -> None:
    """Bring the files of a retired VERSION back from the archive, to look at or reproduce it; it stays retired."""
    from dagster_project.registering import restored

    print(restored(local(), version))


@models.command(cls=ExampleCommand, example="lakehouse models shrink gpt-0001 --to int8 --to onnx")
@click.argument("version", default="")
@click.option("--to", "names", multiple=True, help="Form of models/forms.yaml; several times for several. All of them.")
def shrink(version: str, names: tuple[str, ...]) -> None:
    """Make smaller forms of VERSION, the current one if none is named; measure each beside it and judge it.

    A form that loses or weighs more than models/forms.yaml allows is refused: it stays on the disk and in
    kpi.model_forms, and the command ends with status 56.
    """
    from dagster_project.shrinking import shrunk

    lines, outcome = shrunk(local(), version, names)
    print("\n".join(lines) if outcome.success else outcome.failure)
    sys.exit(outcome.exit_code)
