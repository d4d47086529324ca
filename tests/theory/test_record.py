"""The committed ledger.json says what the committed report says, and `python -m theory` compares it."""

import copy
import json
import re
import shutil
from pathlib import Path

import pytest

import theory.__main__ as command
from theory.__main__ import main
from theory.ledger import Check, Claim, Finding, Run, claims, settle
from theory.record import record, stale, written
from theory.report import report, verdicts_in

THEORY = Path(command.__file__).parent
COMMITTED = json.loads((THEORY / "ledger.json").read_text())
REPORT = (THEORY / "REPORT.md").read_text()
PASSED = Check(what="a", measured=1.23456, test="<", limit=2.0, control="planted", control_measured=3.0)
FAILED = Check(what="b | c", measured=3.0, test="<", limit=2.0, control="planted", control_measured=3.0)


def section(text: str, id: str) -> str:
    """What a report has below the heading of a row."""
    (found,) = re.findall(rf"^## {id}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return found


def tables(row: dict) -> list[str]:
    """The lines that a report has for a record's checks and numbers."""
    lines = []
    for check in row["checks"]:
        measured = check["measured"] + ("" if check["passed"] else " (did not come out)")
        cells = (check["what"], measured, check["limit"], check["control"], check["control_measured"])
        lines.append(" | ".join(cell.replace("|", r"\|") for cell in (check["kind"], *cells)))
    lines += [f"{name.replace('|', chr(92) + '|')} | {value}" for name, value in row["numbers"].items()]
    return [f"| {line} |" for line in lines]


def disagreements(records: list[dict], text: str) -> list[str]:
    """Where records are not what a report says."""
    if {row["id"]: row["verdict"] for row in records} != verdicts_in(text):
        return ["the verdicts"]
    found = []
    heads = {"| | check | measured | limit | control | control measured |", "| number | |"}
    for row in records:
        ours = section(text, row["id"])
        body = ours.rpartition("```\n")[2] if row["argument"] else ours
        rows = [line for line in body.splitlines() if line.startswith("| ") and line not in heads]
        if [line for line in rows if not line.startswith("| ---")] != tables(row):
            found.append(f"{row['id']}: its checks or numbers")
        figures = re.findall(r"!\[([\w-]+)\]", ours)
        if [each["name"] for each in row["figures"]] != figures:
            found.append(f"{row['id']}: its figures")
        found += [
            f"{row['id']}: its {name}"
            for name in ("statement", "argument", "note", "untestable", "source")
            if row[name] not in ours
        ]
    return found


def test_the_committed_ledger_says_what_the_committed_report_says():
    assert len(COMMITTED) > 70
    assert list(verdicts_in(REPORT)) == [row["id"] for row in COMMITTED]
    assert disagreements(COMMITTED, REPORT) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verdict", "holds"),
        ("statement", "another"),
        ("note", "another"),
        ("numbers", {}),
        ("checks", []),
        ("figures", []),
    ],
)
def test_a_ledger_that_says_something_else_is_noticed(key, value):
    planted = copy.deepcopy(COMMITTED)
    (row,) = [each for each in planted if each["id"] == "claim-4"]
    assert row[key] != value
    row[key] = value
    assert disagreements(planted, REPORT) != []


def test_the_committed_ledger_has_what_the_registry_has():
    for row, each in zip(COMMITTED, claims().values(), strict=True):
        texts = (row["id"], row["statement"], row["argument"], row["topic"], row["source"], row["function"])
        known = (each.id, each.statement, each.argument, each.topic, each.source, each.settle.__name__)
        assert texts == known, f"{each.id}: run make theory ARGS=--accept"
        assert row["answer"] == each.answer[row["verdict"]]


def test_the_committed_ledger_holds_no_seconds_and_no_digits_that_a_machine_chooses():
    assert not [row["id"] for row in COMMITTED if "seconds" in row]
    checks = [check for row in COMMITTED for check in row["checks"]]
    texts = [check[name] for check in checks for name in ("measured", "control_measured")]
    texts += [value for row in COMMITTED for value in row["numbers"].values()]
    assert len(texts) > 1000
    assert [text for text in texts if max(map(len, re.findall(r"\d+", text.split("e")[0])), default=0) > 6] == []
    text = (THEORY / "ledger.json").read_text()
    assert text == written(COMMITTED), "as the command writes it"
    assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", text))


def made_up(*, holds=(PASSED,), fails=(), id="claim-98", **other) -> dict:
    finding = Finding("a note", holds=list(holds), fails=list(fails), numbers={"x": (1.0, float("inf"))}, **other)
    return record(settle(Claim(id, "s", "", lambda run: finding, "theory/claims/x.py"), Run()))


def test_a_record_has_the_report_s_digits_and_both_kinds_of_checks():
    row = made_up(fails=[FAILED])
    assert row["verdict"] == "holds"
    assert [(each["kind"], each["measured"], each["passed"]) for each in row["checks"]] == [
        ("holds", "1.23", True),
        ("counterexample", "3", False),
    ]
    assert row["numbers"] == {"x": "1, ∞"}
    assert row["checks"][0]["limit"] == "< 2"


def test_the_lines_that_the_comparison_expects_are_those_that_a_report_has():
    finding = Finding("a note", holds=[PASSED], fails=[FAILED], numbers={"|x|": 2.0}, figures=["f"])
    row = settle(Claim("claim-98", "s", "argued", lambda run: finding, "theory/claims/x.py"), Run())
    assert disagreements([record(row)], report([row], "figures")) == []


def test_staleness_of_records_sees_a_flip_a_text_a_number_a_new_row_and_one_that_is_gone():
    one, two = made_up(), made_up(id="claim-99")
    assert stale([one, two], [one, two]) == []
    assert stale([two, one], [one, two]) == ["the order of the rows differs"]
    assert stale([one, two], [two], whole=False) == []
    assert stale([one, two], [two]) == ["claim-98: gone"]
    assert stale([], [two], whole=False) == ["claim-99: missing"]
    assert stale([one], [made_up(fails=[PASSED])]) == ["claim-98: holds -> holds under conditions"]
    assert "claim-98: the text differs" in stale([one], [one | {"note": "another"}])[0]
    far, near = (json.loads(json.dumps(one).replace("1.23", number)) for number in ("1.5", "1.24"))
    assert stale([one], [far]) == ["claim-98: a number differs: 1.23 -> 1.5"]
    assert stale([one], [near]) == []


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """The committed files in a folder of their own, where a test may change them."""
    for name in ("REPORT.md", "ledger.json"):
        shutil.copy(THEORY / name, tmp_path)
    monkeypatch.setattr(command, "HERE", tmp_path)
    return tmp_path


def test_some_rows_alone_are_compared_with_the_committed_ledger(planted, capsys):
    arguments = ["--only", "A3", "eq-5", "--output-dir", str(planted / "out")]
    assert main(arguments) == 0
    assert "theory/ledger.json says the same" in capsys.readouterr().err
    path = planted / "ledger.json"
    path.write_text(path.read_text().replace("under a change that is not affine", "under another change"))
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "theory/ledger.json is stale" in said
    assert "A3: the text differs" in said
    assert "eq-5" not in said


def test_a_smaller_run_is_compared_with_nothing(planted):
    (planted / "ledger.json").unlink()
    arguments = ["--only", "A3", "--output-dir", str(planted / "out")]
    assert main([*arguments, "--size", "quick"]) == 0
    assert main(arguments) == 1


def test_the_whole_ledger_is_compared_and_accepted(planted, monkeypatch, capsys):
    few = [claims()[id] for id in ("A3", "eq-5")]
    monkeypatch.setattr(command, "select", lambda only: few)
    (planted / "out" / "figures").mkdir(parents=True)  # these two draw nothing
    arguments = ["--output-dir", str(planted / "out")]
    assert main(arguments) == 1
    assert "eq-1: gone" in capsys.readouterr().err
    assert main([*arguments, "--accept"]) == 0
    assert [row["id"] for row in json.loads((planted / "ledger.json").read_text())] == ["A3", "eq-5"]
    assert main(arguments) == 0
    said = capsys.readouterr().err
    assert "theory/REPORT.md says the same" in said
    assert "theory/ledger.json says the same" in said
