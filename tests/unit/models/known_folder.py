"""Small published tests in the form of the real ones, written by us."""

import gzip
import io
import json
import tarfile

PARADIGMS = {"one_agreement": "agreement", "two_agreement": "agreement", "one_island": "islands"}


def blimp(folder, pairs_of, published=None):
    """Write minimal pairs by paradigm, and published accuracies where some are given."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "pairs.tar.xz", "w:xz") as archive:
        for name, pairs in pairs_of.items():
            rows = [
                {"UID": name, "linguistics_term": PARADIGMS.get(name, name), "sentence_good": good, "sentence_bad": bad}
                for good, bad in pairs
            ]
            content = "".join(json.dumps(row) + "\n" for row in rows).encode()
            member = tarfile.TarInfo(f"{name}.jsonl")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    if published is not None:
        lines = (json.dumps({"UID": name, **values}) for name, values in published.items())
        (folder / "models_summary.jsonl").write_text("\n".join(lines))


def arc(folder, questions, parts=("easy", "challenge")):
    """Write the same questions, (question, answers, right letter), as each part."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        with gzip.open(folder / f"arc_{part}_dev.jsonl.gz", "wt") as file:
            for question, answers, right in questions:
                choices = [{"label": "ABCDE"[at], "text": text} for at, text in enumerate(answers)]
                row = {"id": "x", "question": question, "choices": choices, "answerKey": right}
                file.write(json.dumps(row) + "\n")


def injections(folder, cases):
    """Write cases of (system prompt, user input, judge question)."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("test_case_prompt", "user_input", "judge_question")
    lines = (json.dumps(dict(zip(names, case, strict=True))) for case in cases)
    (folder / "purplellama_prompt_injection.jsonl").write_text("\n".join(lines))
