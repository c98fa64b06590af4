"""Tells whoever dropped a submission into the inbox what became of it: hooks of the job `ingest` write the reports.

Hooks fail apart from the run: an inbox or a bucket of uploads that cannot be written to is an event in the run's log,
and stores as before.
"""

import os

import dagster as dg

from assets.ingest import submission
from assets.store import bronze_tables, silver_tables
from assets.validate import validation_report, verdict_on
from assets.version import dataset_record, dataset_version
from dagster_project.whereabouts import nothing_new, whereabouts
from lakehouse.archive.findings import Report
from lakehouse.archive.inbox_reports import look, not_stored, not_taken, report_beside
from lakehouse.errors import PermanentError, TransientError

NEEDED = {"shelf", "house", "versions", "naming", "permission", "upload_reports"}
PARTITION_TAG = "dagster/partition"
TAKING, JUDGING, STORING = (asset.op.name for asset in (submission, validation_report, silver_tables))
ON_THE_WAY = {JUDGING, STORING, *(asset.op.name for asset in (dataset_version, dataset_record, bronze_tables))}
GOES_ON = "It is being stored; this report is written again when that is done.\n"


@dg.success_hook(name="report_beside_inbox", required_resource_keys=NEEDED)
def tell_success(context: dg.HookContext) -> None:
    """Write that a submission was found fit, and then where its rows are."""
    if context.step_key == JUDGING:
        _write(context, _verdict(context), GOES_ON)
    elif context.step_key == STORING:
        report = _verdict(context)
        _write(context, report, _where(context, report))


@dg.failure_hook(name="refusal_beside_inbox", required_resource_keys=NEEDED)
def tell_failure(context: dg.HookContext) -> None:
    """Write why a submission was not taken, not accepted or not stored."""
    shelf, key = context.resources.shelf, _key(context)
    cause = _cause(context)
    if context.step_key == TAKING and isinstance(cause, PermanentError):
        told = not_taken(key, cause, _outside(context, cause))
        _tell(context, shelf.finished_last(key), not_taken(key, cause), outside=(told, ""))
    elif context.step_key in ON_THE_WAY:
        report = _verdict(context)
        if not report.accepted:
            _write(context, report)
        elif isinstance(cause, PermanentError):
            _write(context, not_stored(report, cause), outside=(not_stored(report, cause, _run(context)), ""))
        else:
            waits = "It is not stored yet, and tried again by itself: {}\n".format
            outside = (report, waits(_run(context)))
            _write(context, report, waits(_said(context, cause)), outside=outside)


def _write(
    context: dg.HookContext, report: Report, then: str = "", *, outside: tuple[Report, str] | None = None
) -> None:
    _tell(context, context.resources.shelf.landed_as(_key(context)), report, then, outside=outside)


def _tell(
    context: dg.HookContext,
    fingerprint: str,
    report: Report,
    then: str = "",
    *,
    outside: tuple[Report, str] | None = None,
) -> None:
    """Write a report beside the inbox, and for an upload into its bucket: there `outside`, where it is given.

    Uploaders may be strangers to this machine, and errors of the storage name its places.
    """
    there = look(context.resources.shelf.inbox, _key(context), fingerprint)
    report_beside(there, report, then)
    context.resources.upload_reports.tell(there.judged, *(outside or (report, then)))


def _verdict(context: dg.HookContext) -> Report:
    given = context.resources
    return verdict_on(_key(context), given.shelf, given.house, given.versions)


def _where(context: dg.HookContext, report: Report) -> str:
    given, key = context.resources, _key(context)
    landed = given.shelf.landed(key)
    version = given.versions.find_content(key.partition("@")[0], landed.content_sha256)
    if version is None:
        return ""  # retracted or rewritten since
    policy = given.permission.policy(given.house)
    place = whereabouts(given.house, given.naming, policy, version, user=given.permission.users.user)
    return f"{nothing_new(report.dataset_version, version)}{place or ''}"


def _key(context: dg.HookContext) -> str:
    run = context.instance.get_run_by_id(context.run_id)
    assert run is not None, "it is going on"
    return str(run.tags[PARTITION_TAG])


def _cause(context: dg.HookContext) -> BaseException | None:
    """Return what failed: the error that a failure, or a request to try again, was made of."""
    raised = context.op_exception
    return raised.__cause__ if isinstance(raised, dg.Failure | dg.RetryRequested) else raised


def _said(context: dg.HookContext, cause: BaseException | None) -> str:
    return str(cause) if isinstance(cause, TransientError) else _run(context)


def _outside(context: dg.HookContext, cause: PermanentError) -> str:
    """Return what an error says without where the inbox is; one of the disk names other places, too."""
    if isinstance(cause.__cause__, OSError):
        return _run(context)
    return str(cause).replace(f"{context.resources.shelf.inbox}{os.sep}", "")


def _run(context: dg.HookContext) -> str:
    return f"run {context.run_id} says why"
