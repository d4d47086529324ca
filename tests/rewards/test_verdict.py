"""Verdicts of any reply: the same as those of a plain, slow parser, in time that grows with the reply's length."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grao_ref.rewards import verdict
from grao_ref.rewards.verdict import parse, question

# The same rules in ordinary repetitions, which try every way to share out blanks and digits.
SLOW_COMPARISON = re.compile(r"[0-9][0-9.]*(?:\s*[<>=≥≤≠]+\s*[0-9][0-9.]*)+")
SLOW_VERDICT = re.compile(r"[\s*_`\"'“”]*(?:verdict|answer)?[\s*_`\"':]*1\s*([<>=])\s*2[\s*_`\"'“”.]*", re.IGNORECASE)
SLOW_TAG = re.compile(r"<(?=\s*/?\s*(?:context|text_[12])\s*>)", re.IGNORECASE)
PIECES = ["1", "2", "0", ".", " ", "\t", "\n", "\r\n", "\u2028", "\x1c", "\xa0", "\u3000", "*", "_", "`", '"', "'", "“"]
PIECES += ["”", ":", "<", ">", "=", "≥", "≠", "verdict", "ANSWER", "anſwer", "x", "١", "1 > 2", "1 = 2"]
TAGS = ["<", "/", " ", "\n", "\t", "context", "TEXT_1", "text_2", "text_3", ">", "x"]
LONG = 200_000


def slow_parse(reply):
    verdicts = [found for line in reply.splitlines() if (found := SLOW_VERDICT.fullmatch(line))]
    if len(verdicts) != 1 or len(SLOW_COMPARISON.findall(reply)) != 1:
        return None
    return {">": 1, "=": 0, "<": -1}[verdicts[0][1]]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example("..1 > 2")
@example("1.1 > 2")
@example("1 > .2\n1 < 2")
@example("1 > 2 > .5 > 3")
@example("“ verdict: 1 = 2")
@example("verdict “1 = 2")
def test_the_verdict_is_that_of_the_slow_parser(reply):
    assert parse(reply) == slow_parse(reply)
    assert len(verdict._COMPARISON.findall(reply)) == len(SLOW_COMPARISON.findall(reply))


@given(st.lists(st.sampled_from(TAGS), max_size=12).map("".join))
@example("<\n/ text_1\t>")
def test_the_tags_that_are_taken_out_are_those_of_the_slow_pattern(text):
    assert verdict._TAG.sub("‹", text) == SLOW_TAG.sub("‹", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1 > 2", 1), ("** 1 = 2 **", 0), ("x\nverdict: 1 < 2", -1), ("1 > 2 > 1", None), ("2 > 1", None)],
)
def test_control_the_slow_parser_reads_verdicts_too(text, value):
    assert slow_parse(text) == value


def repeated(unit):
    """About 200,000 characters of it, alone, and around what is a verdict, or almost."""
    run = unit * (LONG // len(unit))
    return [
        run,
        f"{run}\n1 > 2",
        f"1 > 2\n1{run}",
        f"1{run}",
        f"1 >{run}",
        f"{run}1 > 2{run}",
        f"1 > 2{run}x",
        f"verdict{run}",
        f"1{run}>{run}3",
    ]


UNITS = [" ", "\t", "\xa0", "\u3000", "1", ".", "1.", "*", '"', "“", "`*_ ", ":", "\n", "\u2028", "\r\n", "<", "="]
UNITS += ["1 =", "1 = ", "1 > 2 ", "1 > 2\n", "verdict", "answer ", "1 1 ", ". 1", "1 <= "]


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_reply_is_read_at_once(unit):
    """Quadratic time would take minutes: 200,000 blanks took 75 seconds. The limit is generous."""
    begun = time.process_time()
    for reply in repeated(unit):
        parse(reply)
    assert time.process_time() - begun < 20


@pytest.mark.parametrize("unit", [" ", "< ", "<", "/ ", "</", "\n", "<text_1 ", "<context", "< / "])
def test_a_long_text_is_put_into_the_question_at_once(unit):
    run = unit * (LONG // len(unit))
    begun = time.process_time()
    for text in (run, f"<{run}", f"</{run}", f"<text_1{run}"):
        question("helpful", text, text, text)
    assert time.process_time() - begun < 20
