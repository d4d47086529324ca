"""The frame: verdicts follow from checks, a control that agrees is refused, bad ids are named, stale reports found."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from theory.__main__ import main
from theory.ledger import (
    CONDITIONS,
    FAILS,
    HOLDS,
    UNTESTABLE,
    Check,
    Claim,
    Finding,
    Row,
    Run,
    claim,
    claims,
    number,
    select,
    settle,
)
from theory.report import report, staleness, verdicts_in, write

PASSED = Check(what="a", measured=1.0, test="<", limit=2.0, control="planted", control_measured=3.0)
NOT_PASSED = Check(what="b", measured=3.0, test="<", limit=2.0, control="planted", control_measured=3.0)


def finding(holds=(), fails=(), **other) -> Finding:
    return Finding("a note", holds=list(holds), fails=list(fails), **other)


@pytest.mark.parametrize(
    ("holds", "fails", "verdict"),
    [
        ([PASSED], [], HOLDS),
        ([PASSED], [NOT_PASSED], HOLDS),  # a counterexample that did not come out is none
        ([PASSED], [PASSED], CONDITIONS),
        ([NOT_PASSED], [PASSED], FAILS),
        ([PASSED, NOT_PASSED], [PASSED], FAILS),  # every support has to come out
        ([], [NOT_PASSED, PASSED], FAILS),
    ],
)
def test_a_verdict_is_what_the_passed_checks_leave(holds, fails, verdict):
    assert finding(holds, fails).verdict() == verdict


@pytest.mark.parametrize(("holds", "fails"), [([], []), ([NOT_PASSED], []), ([NOT_PASSED], [NOT_PASSED])])
def test_nothing_that_came_out_is_no_verdict(holds, fails):
    with pytest.raises(ValueError, match="undecided"):
        finding(holds, fails).verdict()


def test_what_cannot_be_tested_says_why_and_its_analogue_has_to_come_out():
    assert finding([PASSED], untestable="no models").verdict() == UNTESTABLE
    with pytest.raises(ValueError, match="the analogue did not come out: 'b'"):
        finding([NOT_PASSED], untestable="no models").verdict()


def test_a_check_whose_control_agrees_with_it_is_void():
    with pytest.raises(ValueError, match=r"void check: 'a' is 1 < 2, and so is its control 'planted' with 1\.5"):
        replace(PASSED, control_measured=1.5)
    with pytest.raises(ValueError, match="check 'a': test must be < or >, got '='"):
        replace(PASSED, test="=")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_control_and_a_limit_are_finite_numbers(value):
    with pytest.raises(ValueError, match=f"check 'a': its control 'planted' must be a finite number, got {value}"):
        replace(PASSED, control_measured=value)
    with pytest.raises(ValueError, match=f"check 'a': its limit must be a finite number, got {value}"):
        replace(PASSED, limit=value)


def test_a_measurement_proves_nothing_by_being_nan_or_infinite():
    # a counterexample that is NaN would leave the claim standing, and one that is infinite would refute it
    with pytest.raises(ValueError, match="check 'a': a measurement of nan proves nothing"):
        replace(PASSED, measured=math.nan)
    with pytest.raises(ValueError, match="check 'a': a measurement of -inf proves nothing"):
        replace(PASSED, measured=-math.inf)
    with pytest.raises(ValueError, match="check 'a': a measurement of inf proves nothing"):
        replace(PASSED, test=">", measured=math.inf, control_measured=1.0)
    assert not replace(PASSED, measured=math.inf).passed  # did not arrive: an honest failure


def test_a_check_is_made_by_keywords_alone():
    with pytest.raises(TypeError, match="positional"):
        Check("a", 1.0, "<", 2.0, "planted", 3.0)


def made_up(finding: Finding) -> Claim:
    return Claim("claim-99", "the moon is a | cheese", "argued", lambda run: finding, "claims/none.py")


def test_settling_names_the_claim_that_does_not_stand():
    assert settle(made_up(finding([PASSED])), Run()).verdict == HOLDS
    with pytest.raises(ValueError, match=r"^claim-99: undecided"):
        settle(made_up(finding()), Run())


def test_a_claim_is_registered_once():
    with pytest.raises(ValueError, match="thm-1 is registered twice"):
        claims() and claim("thm-1", "again")(lambda run: finding([PASSED]))


def test_a_misspelled_id_is_answered_with_the_nearest(capsys):
    with pytest.raises(ValueError, match="no claim 'claim4'; the nearest is 'claim-4'"):
        select(["claim4"])
    assert main(["--only", "thm1"]) == 2
    assert "the nearest is 'thm-1'" in capsys.readouterr().err.replace("\n", " ")
    assert [each.id for each in select(["thm-3", "thm-2", "thm-3"])] == ["thm-3", "thm-2"]


def test_the_command_writes_ledger_report_and_figures(tmp_path, capsys):
    assert main(["--only", "claim-4", "A3", "--size", "quick", "--output-dir", str(tmp_path)]) == 0
    ledger = json.loads((tmp_path / "ledger.json").read_text())
    assert [row["id"] for row in ledger] == ["claim-4", "A3"]
    fields = {"id", "statement", "verdict", "measured", "control", "tolerance", "seconds"}
    assert fields <= set(ledger[0])
    assert ledger[0]["verdict"] == FAILS
    assert (tmp_path / "figures" / "claim-4.png").stat().st_size > 5000
    assert verdicts_in((tmp_path / "REPORT.md").read_text()) == {"claim-4": FAILS, "A3": HOLDS}
    assert "claim-4" in capsys.readouterr().out


def test_a_control_that_agrees_ends_the_command_with_1(monkeypatch, tmp_path, capsys):
    def void(run: Run) -> Finding:
        return finding([replace(PASSED, control_measured=0.0)])

    monkeypatch.setattr("theory.__main__.select", lambda only: [replace(made_up(finding()), settle=void)])
    assert main(["--output-dir", str(tmp_path)]) == 1
    assert "claim-99: void check" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "REPORT.md").exists()


def row(finding: Finding) -> Row:
    return Row(made_up(finding), finding, finding.verdict(), 1.0)


def test_staleness_sees_a_flip_a_new_text_and_a_number_and_forgives_the_last_digit():
    base = report([row(finding([PASSED], numbers={"x": 1.234}))], "figures")
    assert staleness(base, base) == []
    assert staleness(base, report([row(finding([PASSED], numbers={"x": 1.2389}))], "figures")) == []
    assert staleness(base, report([row(finding([PASSED], numbers={"x": 1.5}))], "figures")) == [
        "a number differs: 1.23 -> 1.5"
    ]
    assert staleness(base, report([row(finding([PASSED], [PASSED]))], "figures")) == [
        "claim-99: holds -> holds under conditions"
    ]
    assert staleness("", base) == ["claim-99: missing -> holds"]
    assert "the text differs" in staleness(base, base.replace("a note", "another note"))[0]


def test_what_depends_on_a_processor_s_rounding_may_differ_by_more():
    def said(name, value):
        return report([row(finding([PASSED], numbers={name: value}))], "figures")

    assert staleness(said("SRFT, all", 0.286), said("SRFT, all", 0.266)) == []
    assert staleness(said("SRFT, all", 0.286), said("SRFT, all", 0.246)) == ["a number differs: 0.286 -> 0.246"]
    assert staleness(said("SRFT, all", math.inf), said("SRFT, all", 347.0)) == []
    assert staleness(said("GRPO, all", 0.286), said("GRPO, all", 0.266)) == ["a number differs: 0.286 -> 0.266"]
    assert staleness(said("GRPO, all", math.inf), said("GRPO, all", 347.0)) == ["a number differs: ∞ -> 347"]


def test_a_statement_may_hold_what_markdown_and_json_would_trip_over(tmp_path):
    path = write([row(finding([PASSED], numbers={"largest |x|": math.inf}))], tmp_path)
    assert r"the moon is a \| cheese" in path.read_text()
    assert r"| largest \|x\| | ∞ |" in path.read_text()
    assert isinstance(json.loads((tmp_path / "ledger.json").read_text()), list)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1e-12, "0 (rounding)"), (-2.345, "-2.35"), (math.inf, "∞"), (-math.inf, "−∞")]
)
def test_numbers_have_three_digits_and_rounding_errors_are_called_that(value, text):
    assert number(value) == text


def test_sizes_pick_their_own():
    assert [Run(size).pick(1, 2, 3) for size in ("quick", "default", "full")] == [1, 2, 3]
    assert Run("quick", Path("x")).figures == Path("x")
