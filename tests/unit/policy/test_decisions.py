"""Decisions, case by case: user, purpose, terms and licence in; permitted or not, and why, out."""

import datetime as dt
from pathlib import Path

import pytest

from lakehouse.errors import UnknownSettingError
from lakehouse.policy.decisions import Policy
from lakehouse.policy.purposes import includes, lineage, outermost, purposes
from lakehouse.policy.terms import Part, Terms, read_terms
from lakehouse.policy.users import User, UsersFile, default_users, ensure_users, load_users

TODAY = dt.date(2026, 6, 1)
USERS = {
    "ada": User(name="ada", rights=frozenset({"registered"}), purposes=("any",)),
    "root": User(name="root", rights=frozenset({"registered", "restricted", "identifiers"}), purposes=("any",)),
    "guest": User(name="guest", purposes=("research",)),
    "friend": User(name="friend", purposes=("research",), datasets=frozenset({"marks"})),
}


def terms(licence="CC-BY-4.0", **given):
    parts = given.pop("parts", {"marks": Part("marks", "table", licence, hidden_columns=("name",))})
    return Terms("marks", parts, **given)


def decide(user, purpose, *, part=None, dataset="marks", **given):
    return Policy(USERS, {"marks": terms(**given)}, TODAY).decide(user, purpose, dataset, part)


PERMITTED = [
    ("an open licence permits whatever it allows", "ada", "any", {}),
    ("an open licence permits training", "ada", "model_training", {}),
    ("NC permits what is not for profit", "ada", "model_training", {"licence": "CC-BY-NC-4.0"}),
    ("ND permits reading", "ada", "reporting", {"licence": "CC-BY-ND-4.0"}),
    ("a general purpose permits a narrower one", "guest", "education_research", {"purposes": ("research",)}),
    ("stated purposes go beyond a licence", "ada", "commercial", {"licence": None, "purposes": ("commercial",)}),
    ("the archive may always run", "ada", "validation", {"licence": None}),
    ("the archive may run whatever was stated", "ada", "operations", {"purposes": ("research",)}),
    ("a known user meets registered data", "ada", "research", {"access": "registered"}),
    ("a right opens restricted data", "root", "research", {"access": "restricted"}),
    ("a single dataset can be opened to a user", "friend", "research", {"access": "restricted"}),
    ("the last day is a day", "ada", "research", {"retention_until": TODAY}),
    ("data beyond their time can be removed", "ada", "operations", {"retention_until": dt.date(2026, 5, 31)}),
]
DENIED = [
    ("no licence permits nothing", "ada", "research", {"licence": None}, "no licence permits operations"),
    (
        "an own licence permits nothing",
        "ada",
        "research",
        {"licence": "LicenseRef-x"},
        "LicenseRef-x permits operations",
    ),
    (
        "NC forbids profit",
        "ada",
        "commercial",
        {"licence": "CC-BY-NC-4.0"},
        "permits research, teaching, statistics, model",
    ),
    ("ND forbids training", "ada", "model_training", {"licence": "CC-BY-ND-4.0"}, "CC-BY-ND-4.0 permits"),
    (
        "a narrow purpose does not permit a wider one",
        "ada",
        "research",
        {"purposes": ("education_research",)},
        "education_research",
    ),
    (
        "only what is stated",
        "ada",
        "model_training",
        {"purposes": ("teaching",)},
        "its terms permit teaching, operations",
    ),
    (
        "forbidden goes first",
        "ada",
        "model_training",
        {"purposes": ("any",), "forbidden": ("model_training",)},
        "permit research",
    ),
    ("what is forbidden inside forbids the whole", "ada", "any", {"forbidden": ("commercial",)}, "permit research"),
    (
        "a forbidden general purpose forbids the narrow",
        "ada",
        "reporting",
        {"forbidden": ("statistics",)},
        "permit research",
    ),
    ("unknown purpose", "ada", "fun", {}, "no such purpose; there are any, research"),
    ("unknown user", "eve", "research", {}, "that user is not in policy.yaml"),
    ("a purpose that is not the user's", "guest", "teaching", {}, "user guest may ask for research"),
    ("registered data need a known user", "guest", "research", {"access": "registered"}, "access is registered"),
    ("restricted data need a right", "ada", "research", {"access": "restricted"}, "access is restricted"),
    ("after the last day", "ada", "research", {"retention_until": dt.date(2026, 5, 31)}, "until 2026-05-31"),
]


@pytest.mark.parametrize(("user", "purpose", "given"), [case[1:] for case in PERMITTED], ids=[c[0] for c in PERMITTED])
def test_permitted(user, purpose, given):
    decision = decide(user, purpose, **given)
    assert decision.permitted, decision.reason


@pytest.mark.parametrize(("user", "purpose", "given", "why"), [c[1:] for c in DENIED], ids=[c[0] for c in DENIED])
def test_denied_with_a_reason(user, purpose, given, why):
    decision = decide(user, purpose, **given)
    assert not decision.permitted
    assert why in decision.reason
    assert decision.message.startswith(f"dataset marks may not be used for {purpose}: ")


@pytest.mark.parametrize(
    "licence", ["CC0-1.0", "CC-BY-NC-4.0", "CC-BY-ND-4.0", "CC-BY-NC-ND-4.0", "LicenseRef-x", None]
)
def test_whatever_is_stated_a_permitted_purpose_permits_all_that_it_includes(licence):
    nothing = [()]
    for permitted in nothing + [(code,) for code in purposes()]:
        for forbidden in nothing + [(code,) for code in purposes()]:
            stated = terms(licence, purposes=permitted, forbidden=forbidden)
            for general in purposes():
                for narrow in purposes():
                    if includes(general, narrow) and stated.permits(general, "marks"):
                        assert stated.permits(narrow, "marks"), (permitted, forbidden, general, narrow)
                assert not (forbidden and stated.permits(forbidden[0], "marks"))


def test_a_dataset_or_part_that_is_not_there_is_denied():
    assert "no such dataset" in decide("ada", "research", dataset="none").reason
    assert "no part none" in decide("ada", "research", part="none").reason


def test_every_part_must_be_permitted_unless_one_is_asked_for():
    parts = {"open": Part("open", "table", "CC0-1.0"), "essays": Part("essays", "text", "CC-BY-ND-4.0")}
    assert "CC-BY-ND-4.0 of essays permits" in decide("ada", "model_training", parts=parts).reason
    assert decide("ada", "model_training", part="open", parts=parts).permitted


def test_columns_that_name_people_are_hidden_from_all_without_the_right():
    assert decide("ada", "research").hidden_columns == {"marks": ("name",)}
    assert decide("root", "research").hidden_columns == {}


def test_what_users_owe_is_said():
    owed = decide("ada", "research", licence="CC-BY-SA-4.0", attribution="From a school.", conditions="Be kind.").owed
    assert owed == ("attribution", "share alike", "print: From a school.", "Be kind.")


def row(version, day, **given):
    known = dict.fromkeys(
        ("licence", "purposes", "forbidden", "attribution", "conditions", "retention_until", "consent_basis",
         "consent_table", "consent_subject", "consent_purpose", "consent_given", "hidden_columns", "subject_columns",
         "person_columns", "is_personal")
    )  # fmt: skip
    return {
        **known, "dataset": "marks", "dataset_version": version, "part": "marks", "part_kind": "table",
        "access": "open", "accumulates": "waves", "saved_at": dt.datetime(2026, 1, day, tzinfo=dt.UTC), **given,
    }  # fmt: skip


def test_the_version_saved_last_speaks_for_all():
    rows = [
        row("2", 9, forbidden="model_training", licence="CC0-1.0"),
        row("10", 3, licence="CC0-1.0"),
        row("1", 3, part="old"),
    ]
    (found,) = read_terms(rows).values()
    assert found.versions == ("1", "10", "2")
    assert found.forbidden == ("model_training",)
    assert set(found.parts) == {"marks", "old"}
    assert not found.permits("model_training", "marks")


def test_the_newest_version_in_silver_says_where_the_answers_are():
    def load(version, layer="silver"):
        return {"dataset": "marks", "dataset_version": version, "layer": layer}

    def asked(*loads, newer="pupils"):
        rows = [row("1", 1, consent_table="old"), row("2", 2), row("3", 3, consent_table=newer)]
        (found,) = read_terms(rows, lambda: loads).values()
        return found.stored, found.consent and found.consent.part

    assert asked(load("1"), load("3", "bronze")) == (("1",), "old"), "the terms of a version come before its silver"
    assert asked(load("3"), load("1")) == (("1", "3"), "pupils")
    assert asked() == ((), "pupils")
    assert asked(load("2")) == (("2",), "pupils"), "a version that asks nobody takes no newer question away"
    assert asked(load("2"), newer=None) == (("2",), None)


def told(version, day, table="answers", **given):
    return row(version, day, consent_basis="consent", consent_table=table, licence="CC0-1.0", **given)


UNANSWERED = [
    ("nobody is told of", [told("1", 1, None)], (), {"marks"}),
    ("a newer version tells", [told("1", 1, None), told("2", 2)], ("1", "2"), set()),
    ("another basis is newer", [told("1", 1, None), told("2", 2, None) | {"consent_basis": "contract"}], (), set()),
    ("the newest of two tells of nobody any more", [told("1", 1), told("2", 2, None)], ("1", "2"), {"marks"}),
    ("one that waits takes no answer away", [told("1", 1), told("2", 2, None)], ("1",), set()),
    ("a part that only an untold version had", [told("1", 1, None, part="old"), told("2", 2)], ("1", "2"), {"old"}),
    ("a part that only a told version had", [told("1", 1, part="old"), told("2", 2)], ("1", "2"), set()),
    ("its objections are told of now", [told("1", 1, None, part="old"), told("2", 2) | {"consent_basis": "contract"}],
     ("2",), set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "stored", "expected"), [case[1:] for case in UNANSWERED], ids=[c[0] for c in UNANSWERED]
)
def test_where_people_agreed_and_no_table_says_who_nothing_is_permitted(rows, stored, expected):
    loads = [{"dataset": "marks", "dataset_version": version, "layer": "silver"} for version in stored]
    found = read_terms(rows, lambda: loads)
    assert found["marks"].unanswered == expected
    policy = Policy(USERS, found, TODAY)
    for part in found["marks"].parts:
        for purpose in ("model_training", "operations"):
            decision = policy.decide("root", purpose, "marks", part)
            assert decision.permitted == (part not in expected)
            assert ("no table of answers says who agreed to what" in decision.reason) == (part in expected)
            assert (decision.permits == ()) == (part in expected)


def test_what_an_older_version_hides_stays_hidden_since_one_table_holds_both():
    rows = [
        row("1", 1, hidden_columns="email", subject_columns="pupil", person_columns="pupil", is_personal=True),
        row("2", 2, hidden_columns="phone", subject_columns="pupil_id", is_personal=False),
    ]
    (found,) = read_terms(rows).values()
    assert set(found.parts["marks"].hidden_columns) == {"email", "phone"}
    assert set(found.parts["marks"].subject_columns) == {"pupil", "pupil_id"}
    assert found.parts["marks"].person_columns == ("pupil",)
    assert found.parts["marks"].is_personal


def stone(version, dataset="marks"):
    return {"dataset": dataset, "dataset_version": version}


def test_what_only_a_retracted_version_hid_is_shown_once_a_newer_one_was_saved():
    protected = {"subject_columns": "email", "person_columns": "email", "is_personal": True}
    one = row("1", 1, hidden_columns="email", pseudonym_columns="email", former_columns="mail:email", **protected)
    two = row("2", 2, hidden_columns="phone", forbidden="model_training")

    def hidden(rows, *retracted):
        (found,) = read_terms(rows, tombstones=lambda: retracted).values()
        return found.parts["marks"]

    assert set(hidden([one, two]).hidden_columns) == {"mail", "email", "phone"}
    assert set(hidden([one, two], stone("1", "others")).hidden_columns) == {"mail", "email", "phone"}
    without = hidden([one, two], stone("1"))
    assert without.hidden_columns == ("phone",)
    assert (without.subject_columns, without.person_columns, without.is_personal) == ((), (), False)
    assert without.pseudonym_columns == ("email",), "silver has pseudonyms of it in every later version"
    assert without.names == hidden([one, two]).names


def test_a_retraction_by_itself_opens_nothing():
    one = row("1", 1, hidden_columns="email", is_personal=True)
    two = row("2", 2, hidden_columns="phone", forbidden="model_training")
    (found,) = read_terms([one, two], tombstones=lambda: [stone("2")]).values()
    assert set(found.parts["marks"].hidden_columns) == {"email", "phone"}, "the version saved last still says so"
    assert found.forbidden == ("model_training",)
    (found,) = read_terms([one, two], tombstones=lambda: [stone("1"), stone("2")]).values()
    assert found.parts["marks"].hidden_columns == ("phone",)
    (found,) = read_terms([row("1", 1, hidden_columns="email")], tombstones=lambda: [stone("1")]).values()
    assert found.parts["marks"].hidden_columns == ("email",)


def test_a_part_of_which_only_a_retracted_version_told_stays_as_that_said():
    rows = [row("1", 1, part="old", hidden_columns="email", is_personal=True), row("2", 2)]
    (found,) = read_terms(rows, tombstones=lambda: [stone("1")]).values()
    assert (found.parts["old"].hidden_columns, found.parts["old"].is_personal) == (("email",), True)


def test_the_purposes_are_a_tree_below_any():
    assert {lineage(code)[-1] for code in purposes()} == {"any"}
    assert lineage("validation") == ("validation", "operations", "any")
    assert includes("research", "education_research")
    assert not includes("education_research", "research")
    assert outermost(["validation", "operations", "teaching"]) == ("teaching", "operations")


def test_the_default_file_is_private_and_is_not_written_twice(tmp_path):
    path = tmp_path / "policy.yaml"
    ensure_users(path, "lakehouse")
    assert path.stat().st_mode & 0o777 == 0o600
    users = load_users(path)
    assert users == default_users("lakehouse")
    assert users["lakehouse"].default_purpose == "reporting"
    assert "identifiers" not in users["lakehouse"].rights
    path.write_text("users: {ada: {purposes: [any], default_purpose: research}}")
    ensure_users(path, "lakehouse")
    assert set(load_users(path)) == {"ada"}


def test_of_two_that_write_the_first_file_at_once_the_first_one_counts(tmp_path, monkeypatch):
    path = tmp_path / "policy.yaml"
    path.write_text("users: {ada: {purposes: [any], default_purpose: research}}")
    with monkeypatch.context() as before:
        before.setattr(Path, "exists", lambda _: False)  # the other one was not through yet when this one looked
        UsersFile(path, "lakehouse").ensure()
    assert set(load_users(path)) == {"ada"}
    assert list(tmp_path.iterdir()) == [path]


def test_users_are_read_again_when_their_file_changes_and_stay_while_it_is_faulty(tmp_path, caplog):
    file = UsersFile(tmp_path / "policy.yaml", "lakehouse")
    assert set(file.users()) == {"lakehouse", "training", "anyone"}, "before there is a file"
    file.path.write_text("users: {ada: {purposes: [any], default_purpose: research}}")
    first = file.users()
    assert set(first) == {"ada"}
    assert file.users() is first
    file.path.write_text("users: [")
    assert file.users() is first
    assert "keeping the users read before" in caplog.text
    with pytest.raises(UnknownSettingError):
        UsersFile(file.path, "lakehouse").users()


def test_passwords_must_be_private_and_are_never_shown(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("users: {ada: {purposes: [any], default_purpose: any, password: very-secret}}")
    path.chmod(0o644)
    with pytest.raises(UnknownSettingError, match="chmod 600"):
        load_users(path)
    path.chmod(0o600)
    assert "very-secret" not in repr(load_users(path))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("users: [", "no YAML"),
        ("[]", "the whole file"),
        ("users: {a: {purposes: [fun], default_purpose: fun}}", "unknown purpose 'fun'"),
        ("users: {a: {purposes: [research], default_purpose: any}}", "default purpose 'any' of user a is not among"),
        ("users: {a: {roles: [king], purposes: [any], default_purpose: any}}", "unknown role 'king'"),
        ("users: {a: {purposes: [], default_purpose: any}}", "users.a.purposes"),
        ("users: {a: {purposes: [any], default_purpose: any, pasword: x}}", "users.a.pasword"),
        ("roles: {r: [fly]}\nusers: {}", "roles.r"),
    ],
)
def test_a_faulty_file_is_named_with_its_place(tmp_path, text, reason):
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(UnknownSettingError, match=reason):
        load_users(path)


def test_what_was_hidden_or_asked_under_one_name_is_so_under_all_that_the_column_had():
    rows = [
        row("1", 1, hidden_columns="mail", subject_columns="pupil", person_columns="pupil", is_personal=True),
        row("2", 2, hidden_columns="", former_columns="mail:address pupil:learner", is_personal=True),
        row("3", 3, hidden_columns="code", former_columns="learner:code", is_personal=True),
    ]
    (found,) = read_terms(rows).values()
    assert set(found.parts["marks"].hidden_columns) == {"mail", "address", "pupil", "learner", "code"}
    assert found.parts["marks"].subject_columns == found.parts["marks"].person_columns == ("code",)
    assert found.parts["marks"].subjects_among(("learner", "mail")) == ("learner",), "as an older snapshot has it"


def test_a_column_that_got_an_older_name_back_is_hidden_under_both():
    rows = [
        row("1", 1),
        row("2", 2, former_columns="a:b", hidden_columns="b", subject_columns="b"),
        row("3", 3, former_columns="b:a"),
    ]
    (found,) = read_terms(rows).values()
    assert set(found.parts["marks"].hidden_columns) == {"a", "b"}
    assert found.parts["marks"].subject_columns == ("a",)


def test_a_user_or_field_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("users:\n  anyone:\n    roles: []\n  #ada:\n    roles: [steward]\n")
    with pytest.raises(UnknownSettingError, match="the key 'roles' is there twice"):
        load_users(path)
    path.write_text("users:\n  anyone: {}\n  anyone:\n    roles: [steward]\n")
    with pytest.raises(UnknownSettingError, match="the key 'anyone' is there twice"):
        load_users(path)
