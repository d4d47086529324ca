"""GSM8K's answers. Every answer here is synthetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.data.gsm8k import solution_of, worked_answer


@pytest.mark.parametrize(
    ("final", "number"),
    [("72", "72"), (" 1,234,567 ", "1234567"), ("-5", "-5"), ("0.25", "0.25"), (".5", ".5"), ("-1,000.50", "-1000.50")],
)
def test_the_final_number_is_text_without_thousands_commas(final, number):
    assert solution_of(f"Some steps: 3 + 4, ####{final}") == number


@given(st.integers(-(10**12), 10**12))
def test_any_whole_number_comes_back(number):
    assert int(solution_of(f"steps #### {number:,}")) == number


def test_the_last_mark_counts():
    assert solution_of("#### 1\n#### 2") == "2"


@pytest.mark.parametrize("final", ["", "ten", "12 apples", "1.2.3", "$5", "--1", "."])
def test_what_is_no_number_is_named(final):
    with pytest.raises(ValueError, match="must end in its final number behind ####, got "):
        solution_of(f"steps #### {final}")


def test_annotations_go_and_all_else_stays():
    answer = "She sold 48/2 = <<48/2=24>>24 clips, <24> & >.\nThen 48+24 = <<48+24=72>>72.\n#### 72"
    assert worked_answer(answer) == "She sold 48/2 = 24 clips, <24> & >.\nThen 48+24 = 72.\n#### 72"
    assert worked_answer("no annotation #### 3") == "no annotation #### 3"


@given(st.lists(st.text("a1+=\n<> ").filter(lambda text: "<<" not in text and not text.endswith("<")), min_size=1))
def test_what_stands_between_annotations_is_untouched(pieces):
    assert worked_answer("<<1+1=2>>".join(pieces)) == "".join(pieces)
