"""What a page about the ledger is made from: topics, answers in plain words, alternative texts, and what is refused."""

import json
import re
from pathlib import Path

import pytest

from theory.ledger import (
    CONDITIONS,
    FAILS,
    HOLDS,
    UNTESTABLE,
    Check,
    Claim,
    Finding,
    Run,
    claim,
    claims,
    select,
    settle,
)
from theory.report import report, verdicts_in, write
from theory.topics import TOPICS, checked

OURS = [each for each in claims().values() if each.source.startswith("theory/")]
PASSED = Check(what="a", measured=1.0, test="<", limit=2.0, control="planted", control_measured=3.0)
SUM = {HOLDS: "Yes: it is so.", FAILS: "No: it isn't.", CONDITIONS: "Now and then.", UNTESTABLE: "Nobody knows."}


def flaws(sentence: str) -> list[str]:
    """Why a text is no plain sentence of at most 200 characters."""
    found = {
        "too short or too long": not 50 <= len(sentence) <= 200,
        "no sentence, or several": not re.fullmatch(r"[A-Z].*[^.]\.", sentence) or bool(re.search(r"[.!?] ", sentence)),
        "a symbol": bool(re.search(r"[^ -~]|[<>=_^*\\`$|]", sentence)),
    }
    return [flaw for flaw, there in found.items() if there]


@pytest.mark.parametrize("each", OURS, ids=lambda each: each.id)
def test_each_row_has_a_topic_and_an_answer_in_one_plain_sentence(each):
    assert each.topic in TOPICS
    assert each.answer
    for verdict, sentence in each.answer.items():
        assert flaws(sentence) == [], verdict
        checked(each.id, each.topic, each.answer)


def test_each_verdict_of_the_committed_report_has_an_answer():
    verdicts = verdicts_in((Path(__file__).parents[2] / "theory" / "REPORT.md").read_text())
    assert len(verdicts) > 50
    assert [id for id, verdict in verdicts.items() if verdict not in claims()[id].answer] == []


def test_a_text_that_is_no_plain_sentence_is_noticed():
    fine = "Yes: this is a sentence for a reader who knows PyTorch and no formulas."
    assert flaws(fine) == []
    assert flaws(fine + " And one more.") == ["no sentence, or several"]
    assert flaws(fine[:-1]) == ["no sentence, or several"]
    assert flaws(fine.replace("formulas", "ρ")) == ["a symbol"]
    assert flaws("Yes.") == ["too short or too long"]
    assert flaws("Yes" + 200 * "s" + ".") == ["too short or too long"]


def test_each_topic_has_rows_and_no_two_rows_have_the_same_answer():
    assert {each.topic for each in OURS} == set(TOPICS)
    sentences = [sentence for each in OURS for sentence in each.answer.values()]
    assert len(set(sentences)) == len(sentences)


def made_up(finding: Finding, **words) -> Claim:
    return Claim("claim-99", "statement", "argued", lambda run: finding, "claims/none.py", **words)


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (Finding("", holds=[PASSED]), HOLDS),
        (Finding("", holds=[PASSED], fails=[PASSED]), CONDITIONS),
        (Finding("", fails=[PASSED]), FAILS),
        (Finding("", untestable="no models"), UNTESTABLE),
    ],
)
def test_a_row_answers_by_the_verdict_that_was_computed_and_by_no_other(finding, verdict):
    assert settle(made_up(finding, answer=SUM), Run()).as_json()["answer"] == SUM[verdict]
    others = {key: sentence for key, sentence in SUM.items() if key != verdict}
    assert settle(made_up(finding, answer=others), Run()).as_json()["answer"] == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"topic": "the moon"}, "unknown topic 'the moon'; the topics are the equations, "),
        ({"answer": {"true": "Yes: so."}}, "an answer to 'true', which is no verdict"),
        ({"answer": {FAILS: "Yes: so."}}, "the answer to 'fails' must begin with No, got 'Yes: so.'"),
        ({"answer": {HOLDS: "Nobody knows."}}, "the answer to 'holds' must begin with Yes"),
        ({"answer": {CONDITIONS: "Yes, but."}}, "the answer to 'holds under conditions' is no plain Yes or No"),
        ({"answer": {UNTESTABLE: "No: not here."}}, "the answer to 'cannot be tested here' is no plain Yes or No"),
    ],
)
def test_an_unknown_topic_and_an_answer_that_contradicts_its_verdict_are_refused(words, message):
    before = list(claims())
    with pytest.raises(ValueError, match=f"exp-moon: {message}"):
        claim("exp-moon", "a statement", **words)(lambda run: Finding("", holds=[PASSED]))
    assert list(claims()) == before


def test_the_ledger_holds_topic_answer_argument_code_and_alternative_texts(tmp_path):
    (three,) = select(["thm-3"])
    row = settle(three, Run("quick"))
    write([row], tmp_path)
    (found,) = json.loads((tmp_path / "ledger.json").read_text())
    assert found["topic"] == "advantages and groups"
    assert found["answer"] == three.answer[HOLDS]
    assert found["argument"] == three.argument
    assert (found["source"], found["function"]) == ("theory/claims/thm_3.py", "thm_3")
    assert found["figures"] == [{"name": "thm-3", "alt": row.finding.alts()["thm-3"]}]


def test_a_figure_without_an_alternative_text_is_reported_as_one_with_it():
    bare, told = (Finding("", holds=[PASSED], figures=figures) for figures in (["a", "b"], {"a": "A line.", "b": "B."}))
    assert bare.alts() == {"a": "", "b": ""}
    assert told.alts() == {"a": "A line.", "b": "B."}
    pages = [report([settle(made_up(each), Run())], "figures") for each in (bare, told)]
    assert pages[0] == pages[1]
    assert "![a](figures/a.png)\n\n![b](figures/b.png)" in pages[0]
