"""Right answers in every format, and wrong answers that look similar."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.rewards.checkers import exact, final_number, last_number
from grao_ref.rewards.scorer import Scorer


def right(completion, solution="42"):
    return final_number([completion], [solution]) == [1.0]


@pytest.mark.parametrize(
    "completion",
    [
        "42",
        " 42.\n",
        "#### 42",
        "She has 40 + 2 = 42 apples.",
        "The answer is **42**.",
        r"\boxed{42}",
        "$42.00",
        "42 dollars",
        "42%",
        "=42",
        "first 7, then 42!",
        "042",
        "10 - 42",  # a difference, not -42
        "- 42",  # a bullet
        "10-42",
    ],
)
def test_the_last_number_counts_however_it_is_written(completion):
    assert right(completion)


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "forty-two",
        "no number",
        "####",
        "42 or 43",
        "1 2 3 42 44",
        "420",
        "4 2",
        "4.2",
        "-42",
        "it is -42",
        "−42",
        "-$42",
        "42.5",
        "42,000",
        "142",
        "0.42",
        "42/2",
        "nan",
        "inf",
        "٤٢",  # another script's digits
        "42e1",
        "1,042",
    ],
)
def test_anything_else_is_wrong(completion):
    assert final_number([completion], ["42"]) == [0.0]


@pytest.mark.parametrize("completion", ["1,000", "1000", "$1,000.00", "1000.", "+1000", "It costs $1,000."])
@pytest.mark.parametrize("solution", ["1000", "1,000", "#### 1000", 1000, 1000.0, "$1,000"])
def test_a_thousand_is_a_thousand(completion, solution):
    assert right(completion, solution)
    assert not right(completion + "1", solution)


def test_decimals_are_compared_exactly():
    assert right("0.1 + 0.2 = 0.3", "0.30")
    assert right(".5", "0.5")
    assert not right("0.30000000000000004", "0.3")
    assert right("9" * 400, "9" * 400)
    assert not right("9" * 400, "9" * 399 + "8")


def test_a_solution_without_a_number_can_not_be_scored():
    assert final_number(["42", "42"], [None, "none"]) == [None, None]


@given(st.integers(-(10**12), 10**12), st.booleans(), st.sampled_from(["", ".", " apples.", "\n", "**", ")"]))
def test_every_number_is_found_behind_any_text(number, commas, end):
    text = f"3 and 4.5 make {number:,}{end}" if commas else f"3 and 4.5 make {number}{end}"
    assert last_number(text) == number


@given(st.text(alphabet="0123456789,.-−$# a", max_size=40))
def test_any_text_gives_a_number_or_nothing(text):
    found = last_number(text)
    assert (found is None) == (not any(letter in "0123456789" for letter in text))
    assert found is None or isinstance(found, Decimal)


def test_long_texts_do_no_harm():
    assert last_number("1," * 50_000 + "7") == 7
    assert last_number("1,111" * 20_000) is not None
    assert last_number("-" * 100_000) is None


def test_exact_compares_with_solution_then_answer_then_reference():
    said, references = [" yes\n", "Yes", "yes."], ["yes", "yes", "yes"]
    assert exact(said, references) == [1.0, 0.0, 0.0]
    assert exact(said, references, answer=["no", "Yes", "no"]) == [0.0, 1.0, 0.0]
    assert exact(said, references, solution=["no", "no", "yes."], answer=["yes"] * 3) == [0.0, 0.0, 1.0]
    assert exact(["7", ""], ["", ""], solution=[7, None]) == [1.0, None]
    assert exact(["7", "8"], solution=[7, 7]) == [1.0, 0.0]  # rows that are a prompt and a solution, as in TRL
    with pytest.raises(ValueError, match="exact compares with a column solution or answer, or with references"):
        exact(["7"])


def test_exact_gives_nothing_for_parts_or_paddings():
    assert exact(["yes no", "ye", "", "yes yes"], ["yes"] * 4) == [0.0] * 4


def test_checkers_read_messages_too():
    talk = [[{"role": "user", "content": "6 * 7?"}]]
    scores = Scorer({"exact": exact, "final_number": final_number})(
        talk, ["#### 42"], references=["#### 42"], columns={"solution": ["42"]}
    )
    assert scores.parts == {"exact": [0.0], "final_number": [1.0]}


def test_final_number_without_its_column_says_so():
    with pytest.raises(ValueError, match="'final_number' asks for 'solution'"):
        Scorer({"final_number": final_number})(["p"], ["42"], references=["42"], columns={})


def test_a_checker_in_another_thread_scores_as_in_the_main_one():
    """It has no timer of its own: one that needs signals fails in other threads, and scores 0."""
    texts, solutions = ["so it is 42", "so it is 41"], ["#### 42", "#### 42"]
    assert final_number(completions=texts, solution=solutions) == [1.0, 0.0]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(final_number, completions=texts, solution=solutions).result(timeout=60)
    assert found == [1.0, 0.0]
