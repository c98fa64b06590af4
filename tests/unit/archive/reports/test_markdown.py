from lakehouse.archive.reports.markdown import markdown, verdict_line


def test_what_refuses_it_comes_first(refused):
    text = markdown(refused)
    assert text.startswith("**REFUSED** lessons@1: 5 errors")
    order = [text.index(f"### {heading}") for heading in ("What refuses it", "Warnings", "What raises the FAIR score")]
    assert order == sorted(order)
    for finding in refused.findings:
        assert finding.code in text


def test_names_from_outside_stay_text(refused):
    text = markdown(refused)
    assert "&lt;b&gt;name &amp; \\| \\`x\\`.pdf" in text
    assert "<b>" not in text


def test_the_line_of_a_refusal_names_its_errors_and_how_to_mend_them(refused, accepted):
    line = verdict_line(refused)
    first = next(finding for finding in refused.findings if finding.level == "error")
    assert line.startswith(f"refused: {first.code} in {first.place}")
    assert first.message in line
    assert f"{first.how_to_fix.rstrip('.')}; " in line
    assert line.endswith("and 3 more errors")
    assert verdict_line(accepted).startswith("accepted: 0 errors")
