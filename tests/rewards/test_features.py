"""Mean hidden states against one plain forward a text; prompts shared, padding and batches make no difference."""

import pytest
import torch

from grao_ref.rewards.features import answer_features
from tests.policies.architectures import CONFIGS, random_model

PAIRS = [([3, 4, 5], [6, 7]), ([8], [9, 10, 11]), ([3, 4, 5], [12]), ([3, 4, 5, 6, 7], [6, 7]), ([8], [9])]


def plain(model, prompt, answer):
    hidden = model.base_model(torch.tensor([prompt + answer])).last_hidden_state[0]
    return hidden[len(prompt) :].mean(dim=0)


@pytest.mark.parametrize("name", CONFIGS)
def test_features_are_those_of_one_plain_forward_a_text(name):
    model = random_model(name).eval()
    expected = torch.stack([plain(model, *pair) for pair in PAIRS]).float()
    for batch_size in (1, 2, 5):
        torch.testing.assert_close(answer_features(model, PAIRS, batch_size=batch_size), expected)


def test_control_the_prompt_matters_and_its_own_states_do_not_join_the_mean():
    model = random_model("llama").eval()
    first, second, whole = answer_features(model, [([3], [6, 7]), ([4], [6, 7]), ([5], [3, 6, 7])])
    assert not torch.allclose(first, second)
    joined = model.base_model(torch.tensor([[3, 6, 7]])).last_hidden_state[0].mean(dim=0).float()
    assert not torch.allclose(first, joined)
    assert not torch.allclose(first, whole)


def test_a_prompt_goes_through_the_model_once_for_all_its_answers():
    model = random_model("llama").eval()
    tokens = []
    model.base_model.register_forward_pre_hook(
        lambda module, args, kwargs: tokens.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    answer_features(model, [([3, 4, 5], [6 + n]) for n in range(4)], batch_size=4)
    assert [tuple(shape) for shape in tokens] == [(1, 3), (4, 1)]


def test_progress_counts_every_answer():
    counts = []
    answer_features(random_model("gpt2").eval(), PAIRS, batch_size=2, done=counts.append)
    assert counts == [2, 2, 1]


def test_nothing_to_average_is_refused():
    model = random_model("gpt2").eval()
    with pytest.raises(ValueError, match="pair 1 has an answer without a token"):
        answer_features(model, [([3], [4]), ([3], [])])
    with pytest.raises(ValueError, match="pair 0 has a prompt without a token"):
        answer_features(model, [([], [4])])
    assert answer_features(model, []).shape == (0, 32)
