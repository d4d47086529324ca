"""The sorting reward on text, by hand and against its twin on tokens."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.data.examples import encode
from grao_ref.data.rows import columns_of
from grao_ref.data.sorting import sorting_rows
from grao_ref.policies.embedded import tiny_tokenizer
from grao_ref.records import Batch, Tokens
from grao_ref.rewards.load import load_scorer
from grao_ref.rewards.scorer import Scorer
from grao_ref.rewards.sorting import sorting
from grao_ref.tasks.text import TextTask
from grao_ref.text.encoding import Encoder
from tests.sorting_twin import ANSWER, END, Sorting, characters
from tests.strategies import seeds

ROWS = sorting_rows()[:30]
ENCODER = Encoder(tiny_tokenizer())
TASK = TextTask(encode(ROWS, ENCODER, closed=True), ENCODER, load_scorer(["sorting"]), batch=3, seed=0)
LENGTHS = st.integers(ANSWER, ANSWER + 3)  # the most tokens of an answer


def by_tokens(batch: Batch, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return Sorting(1).reward(batch, ids, mask).values


@given(seeds, LENGTHS, st.floats(0, 1))
def test_the_reward_on_text_is_the_rule_on_tokens(seed, limit, right):
    """Random answers that end early, late or never; some of their tokens are taken from the right answer."""
    rng = torch.Generator().manual_seed(seed)
    batch = TASK.draw(rng, seed % 7 + 1)
    ids = torch.randint(12, (3, 8, limit), generator=rng)
    best = batch.prompts.ids[:, None, :5].sort(-1).values
    best = torch.nn.functional.pad(best, (0, limit - 5), value=END).expand(-1, 8, -1)
    ids = torch.where(torch.rand(ids.shape, generator=rng) < right, best, ids)
    ended = (ids == END).long().cumsum(-1)
    mask = ended - (ids == END).long() == 0  # an answer's mask ends with its first end-of-sequence token
    scores = TASK.reward(batch, ids, mask)
    assert scores.scored.all()
    assert torch.equal(scores.values, by_tokens(batch, ids, mask))


def test_the_references_and_rejected_answers_of_the_rows_score_alike():
    batch = TASK.rows(range(len(ROWS)))
    for tokens in (batch.references, batch.rejected):
        ids, mask = tokens.ids[:, None], tokens.mask[:, None]
        assert torch.equal(TASK.reward(batch, ids, mask).values, by_tokens(batch, ids, mask))


def test_the_twin_draws_the_same_kind_of_rows():
    batch = Sorting(200).draw(torch.Generator().manual_seed(0))
    for n in range(200):
        prompt, reference = (characters(tokens.ids[n].tolist()) for tokens in (batch.prompts, batch.references))
        best = "".join(sorted(prompt[:5]))
        assert prompt[5] == "="
        assert reference[5] == "."
        assert sum(one != other for one, other in zip(reference, best, strict=False)) == 2
        assert sorting([reference[:5]], [best]) == [4 / 6]
        assert characters(batch.rejected.ids[n].tolist()) == prompt[:5] + "."


@pytest.mark.parametrize(
    ("text", "reward"),
    [("12459", 1), ("124591", 5 / 6), ("21459", 4 / 6), ("1", 1 / 6), ("", 0), ("1=459", 5 / 6), ("9" * 40, 1 / 6)],
)
def test_by_hand(text, reward):
    assert sorting([text], ["12459"]) == [reward]
    message = [{"role": "assistant", "content": text}]
    assert sorting(completions=[message], solution=["12459"], prompts=["52914="]) == [reward]


def test_an_answer_cut_off_after_five_tokens_is_the_only_one_that_text_can_not_tell():
    """So the limit of tokens has to be above five."""
    batch = TASK.rows([0])
    ids = batch.prompts.ids[:, None, :5].sort(-1).values
    mask = torch.ones_like(ids, dtype=torch.bool)
    assert TASK.reward(batch, ids, mask).values.item() == 1
    assert by_tokens(Batch(batch.prompts, batch.references), ids, mask).item() == pytest.approx(5 / 6)


def test_it_is_a_reward_function_like_any_other():
    prompts, said = [row.prompt for row in ROWS], [row.columns["solution"] for row in ROWS]
    scores = Scorer({"sorting": sorting})(prompts, said, references=said, columns=columns_of(ROWS))
    assert scores.total == [1.0] * len(ROWS)
    with pytest.raises(ValueError, match="'sorting' asks for 'solution'"):
        Scorer({"sorting": sorting})(["p"], ["12459"], references=["12459"], columns={})


def test_padding_behind_the_mask_is_not_read():
    batch = TASK.rows([0, 1])
    best = batch.prompts.ids[:, :5].sort(-1).values
    tokens = Tokens(torch.nn.functional.pad(best, (0, 4), value=END), torch.ones(2, 9, dtype=torch.bool))
    mask = torch.arange(9)[None, None] < torch.tensor([6, 3])[:, None, None]
    garbage = tokens.ids[:, None].masked_fill(~mask, 3)
    assert TASK.reward(batch, garbage, mask).values.flatten().tolist() == pytest.approx([1, 0.5])
