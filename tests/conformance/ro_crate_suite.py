"""The RO-Crate 1.1 expectations for the base profile, by the community's validator without a network."""

import json
import re
from pathlib import Path
from typing import Any

from tests.conformance import crates
from tests.conformance.agreement import Agreement

PROFILE = {"ro-crate": "ro-crate-1.1"}
PAYLOAD = {"skip_checks": ["ro-crate-1.1_12.1"]}
# What the suite's own tests pass along, which the table of expectations does not say: crates without their payload.
OPTIONS: dict[str, dict[str, Any]] = {
    "test_data_entity_must_be_directly_linked": PAYLOAD,
    "test_data_entity_not_linked": PAYLOAD,
    "test_data_entity_must_be_indirectly_linked": PAYLOAD,
    "test_valid_data_entity_encoding_format_pronom": PAYLOAD,
    "test_valid_data_entity_encoding_format_ctx_website": PAYLOAD,
    "test_valid_referenced_generic_data_entities": PAYLOAD,
    "test_valid_roc_with_relative_root_required": {"rocrate_relative_root_path": Path("custom-relative-root/")},
    "test_valid_roc_with_at_base_set": {"skip_checks": ["ro-crate-1.1_10.1"]},
}
NOT_FETCHED = re.compile(r"Unable to retrieve the JSON-LD context ['\"](\S+?)['\"]")


LONGEST_LINK = 200


def restore_links(folder: Path) -> None:
    """Make links again of files that git wrote in their place: each holds nothing but the path of a folder."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < LONGEST_LINK):
        named = path.read_bytes().decode(errors="replace").strip()
        if named.startswith("../") and (path.parent / named).is_dir():
            path.unlink()
            path.symlink_to(named)


def judge(folder: Path, expectations: Path, cache: Path) -> Agreement:
    """Compare verdict, broken requirements and messages with the expectations."""
    restore_links(folder)
    agreement = Agreement("RO-Crate 1.1: expectations for the base profile")
    for each in json.loads(expectations.read_text(encoding="utf-8")):
        name = f"{each['test']} {each['crate']}"
        result = crates.validate(
            folder / each["crate"],
            cache,
            severity=each["severity"],
            profile=PROFILE.get(each["profile"], each["profile"]),
            **OPTIONS.get(each["test"], {}),
        )
        failed = {requirement.name for requirement in result.failed_requirements}
        messages = [str(issue.message) for issue in result.get_issues()]
        missing = [want for want in each["triggered_requirements"] or [] if want not in failed]
        missing += [want for want in each["triggered_issues"] or [] if not any(want in said for said in messages)]
        absent = {found for said in messages for found in NOT_FETCHED.findall(said)} - {crates.CONTEXT_URL}
        found = (result.passed(), missing)
        if absent and found != (each["valid"], []):
            agreement.left_out[name] = f"its context {', '.join(sorted(absent))} is not here and may not be fetched"
        else:
            said = "; ".join(sorted(set(messages)))
            agreement.case(name, (each["valid"], []), found if found == (each["valid"], []) else (*found, said))
    return agreement
