"""Forms are made only of versions that may be used, and go with the version that must be forgotten."""

import pytest

from assets.shrink import SMALLER, usable_version
from assets.workshop import Workshop
from dagster_project.shrinking import line, newest, require_forms
from lakehouse.errors import StageError
from lakehouse.masking import Mask
from lakehouse.tables.gold import MODEL_STAGES
from lakehouse.tables.withdrawals import quarantine
from models.config import TINY
from models.durable import write_json
from models.errors import FormError
from models.form_store import FORM
from tests.unit.explained_lake import open_lake

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_a_version_that_may_not_be_used_is_not_made_smaller(tmp_path):
    lake = open_lake(tmp_path)
    with pytest.raises(StageError, match="no model is current"):
        usable_version(lake.house, "")
    assert usable_version(lake.house, "gpt-0001") == "gpt-0001"
    lake.publish(MODEL_STAGES, {"event_key": "1", "model_version": "gpt-0001", "stage": "retired"})
    with pytest.raises(StageError, match="gpt-0001 is retired"):
        usable_version(lake.house, "gpt-0001")
    quarantine(lake.house.objects, "gpt-0002", "receipt-1")
    with pytest.raises(StageError, match="gpt-0002 is in quarantine"):
        usable_version(lake.house, "gpt-0002")


def test_forms_of_a_version_in_quarantine_are_destroyed_and_others_stay(tmp_path):
    workshop = Workshop(tmp_path, TINY)
    for version, form in (
        ("gpt-0001", "gpt-0001-int8"),
        ("gpt-0001", "gpt-0001-onnx.2"),
        ("gpt-0002", "gpt-0002-int8"),
    ):
        (workshop.checkpoints.root / version).mkdir(parents=True, exist_ok=True)
        (workshop.forms.root / form).mkdir(parents=True)
        write_json(workshop.forms.root / form / FORM, {"key": "k"})
    workshop.quarantine("gpt-0001", Mask(()), "receipt-1")
    assert workshop.forms.names() == ["gpt-0002-int8"]


def test_forms_are_asked_for_by_name_all_of_them_by_none():
    assert require_forms([]) == list(SMALLER) == ["int8", "int4", "onnx", "distilled"]
    assert require_forms(["onnx", "int8", "onnx"]) == ["onnx", "int8"]
    with pytest.raises(FormError, match="there is no form int3; name some of int8, int4"):
        require_forms(["int3", "int8"])


def test_the_newest_judgement_of_a_form_is_told():
    row = {
        "form": "gpt-0001-int8",
        "size_bytes": 25,
        "whole_size_bytes": 100,
        "difference": 0.001,
        "low": -0.001,
        "high": 0.003,
        "tokens_per_cpu_second": 50.0,
        "whole_tokens_per_cpu_second": 100.0,
        "reason": "accepted",
        "recorded_at": 1,
    }
    (told,) = newest([row, row | {"recorded_at": 2, "reason": "refused"}, row | {"recorded_at": 0}])
    assert told["reason"] == "refused"
    figures = "25% of the bytes, +0.0010 [-0.0010, +0.0030] bits/byte, 0.50 x the speed, accepted"
    assert " ".join(line(row).split()) == f"gpt-0001-int8 {figures}"
