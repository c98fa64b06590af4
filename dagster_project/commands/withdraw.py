"""Removes a person from everywhere."""

from pathlib import Path

import click

from dagster_project.commands.base import ExampleCommand, local
from dagster_project.settings import load_settings


@click.command(cls=ExampleCommand, example="lakehouse withdraw 11391 --kind student --reason 'asked for it by letter'")
@click.argument("subject", required=False)
@click.option("--kind", help="Kind of subject, as the datasets' `subjects` name it; needed when several kinds match.")
@click.option("--dataset", help="Look into this dataset only.")
@click.option("--reason", default="", help="Why; it is kept in the receipt, so leave the person's name out.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option(
    "--cascade",
    multiple=True,
    metavar="TABLE.COLUMN",
    help="Let rows about other people go as well that name the person in this column; may be given several times.",
)
@click.option(
    "--everywhere",
    is_flag=True,
    help="Mask the person also in datasets that declare no such subject and only mention them; without it those "
    "mentions stay and are listed.",
)
@click.option("--finish", is_flag=True, help="Finish what a killed call left, and nothing else.")
@click.option("--verify", "receipt", type=click.Path(path_type=Path), help="Check a receipt instead.")
@click.option("--public-key", type=click.Path(path_type=Path), help="Key to check with; the archive's own without it.")
def withdraw(
    subject: str | None,
    kind: str | None,
    dataset: str | None,
    reason: str,
    cascade: tuple[str, ...],
    receipt: Path | None,
    public_key: Path | None,
    *,
    dry_run: bool,
    everywhere: bool,
    finish: bool,
) -> None:
    """Find the person with the identifier SUBJECT everywhere, remove them, and write a signed receipt."""
    from dagster_project.withdrawing import finish_open, user_name, verify_receipt, withdraw_subject
    from lakehouse.archive.withdraw.search import Request

    if receipt is not None:
        print(verify_receipt(load_settings(), receipt, public_key))
        return
    if finish:
        print(finish_open(local()))
        return
    if subject is None or not subject.strip():
        raise click.UsageError("name the SUBJECT to withdraw, --finish, or a receipt to --verify")
    request = Request(
        subject,
        kind=kind,
        dataset=dataset,
        reason=reason,
        by=user_name(),
        cascade=cascade,
        everywhere=everywhere,
    )
    print(withdraw_subject(local(), request, dry_run=dry_run))
