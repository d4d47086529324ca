"""Reward models against one plain forward a text, whatever pads them; heads from a folder."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from grao_ref.rewards.model import Head, HeadReward, ModelReward, load_head
from grao_ref.rewards.scorer import Scorer
from grao_ref.text.encoding import Encoder
from tests.rewards.tiny import causal_folder, classifier_folder, tokenizer

CPU = torch.device("cpu")
TALKS = [[{"role": "user", "content": "hello"}], [{"role": "user", "content": "hello a b c"}]] * 2
SAID = ["yes", "no no no", "a b", "a b c d e"]


def one_by_one(folder, prompts, completions):
    """The logit of each text alone, where nothing has to be padded."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    texts = Encoder(tokenizer()).conversation_ids(prompts, completions)
    with torch.no_grad():
        return [model(torch.tensor([ids])).logits.item() for ids in texts]


@pytest.mark.parametrize(  # 1 is also the end of every message; bert reads its first token and needs no pad
    ("architecture", "pad"), [("llama", 1), ("llama", None), ("gpt2", 1), ("gpt2", None), ("bert", 1)]
)
def test_a_batch_scores_like_one_text_at_a_time(tmp_path, architecture, pad):
    folder = classifier_folder(tmp_path, architecture, pad=pad)
    expected = one_by_one(folder, TALKS, SAID)
    assert max(expected) - min(expected) > 0.01
    for batch_size in (1, 3, 4):
        reward = ModelReward(str(folder), device=CPU, batch_size=batch_size)
        assert reward(prompts=TALKS, completions=SAID) == pytest.approx(expected, abs=1e-5)
    assert reward.model.config.pad_token_id == pad


def test_texts_are_scored_too(tmp_path):
    folder = classifier_folder(tmp_path)
    prompts, completions = ["hello ", "a b "], ["yes", "no c"]
    reward = ModelReward(str(folder), device=CPU)
    assert reward(prompts=prompts, completions=completions) == pytest.approx(one_by_one(folder, prompts, completions))


def test_what_does_not_fit_the_model_gets_none_and_disturbs_nobody(tmp_path):
    reward = ModelReward(str(classifier_folder(tmp_path)), device=CPU)
    alone = reward(prompts=TALKS[:1], completions=["yes"])
    long = reward(prompts=TALKS[:1] * 3, completions=["a " * 100, "yes", "b " * 100])
    assert long == [None, pytest.approx(alone[0], abs=1e-6), None]


def test_a_model_with_two_labels_is_no_reward_model(tmp_path):
    with pytest.raises(ValueError, match=r"a reward model has one label, .* has 2"):
        ModelReward(str(classifier_folder(tmp_path, labels=2)), device=CPU)


def test_a_language_model_is_no_reward_model(tmp_path):
    with pytest.raises(ValueError, match=r"no trained reward model: its files have no score\.weight"):
        ModelReward(str(causal_folder(tmp_path)), device=CPU)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"no reward model could be loaded from .*nowhere"):
        ModelReward(str(tmp_path / "nowhere"), device=CPU)


def head_folder(tmp_path, **changes):
    model = causal_folder(tmp_path / "model")
    weight = torch.linspace(-1, 1, 32)
    Head(weight, 0.25, {"model_name_or_path": str(model)} | changes).save(tmp_path / "head")
    return tmp_path / "head", weight


def test_a_head_scores_the_mean_hidden_state_of_the_answer(tmp_path):
    folder, weight = head_folder(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    expected = []
    for talk, said in zip(TALKS, SAID, strict=True):
        encoder = Encoder(tokenizer())
        (prompt,), (answer,) = encoder.prompt_ids([talk]), encoder.answer_ids([talk], [said], closed=False)
        with torch.no_grad():
            hidden = model.base_model(torch.tensor([prompt + answer])).last_hidden_state[0, len(prompt) :]
        expected.append((hidden.mean(dim=0) @ weight).item() + 0.25)
    reward = HeadReward(folder, device=CPU, batch_size=3)
    assert reward(prompts=TALKS, completions=SAID) == pytest.approx(expected, abs=1e-4)
    assert reward.__name__ == "head"


def test_an_empty_or_endless_answer_gets_none(tmp_path):
    reward = HeadReward(head_folder(tmp_path)[0], device=CPU)
    scores = Scorer({"head": reward})(TALKS[:3], ["", "yes", "a " * 100], references=["a"] * 3, columns={})
    assert [score is None for score in scores.total] == [True, False, True]
    assert reward(prompts=TALKS[:1], completions=[""]) == [None]


def test_a_head_survives_its_folder(tmp_path):
    folder, weight = head_folder(tmp_path, note="μ")
    head = load_head(folder)
    torch.testing.assert_close(head.weight, weight)
    assert (head.bias, head.about["note"]) == (0.25, "μ")


def test_heads_that_can_not_be_read(tmp_path):
    folder, _ = head_folder(tmp_path)
    with pytest.raises(ValueError, match="no reward head that can be read"):
        load_head(tmp_path)
    (folder / "head.json").write_text("{}")
    with pytest.raises(ValueError, match="no 'model_name_or_path'"):
        load_head(folder)
    (folder / "head.json").write_text(json.dumps({"model_name_or_path": str(tmp_path / "model")}))
    (folder / "head.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="no reward head that can be read"):
        load_head(folder)


def test_a_head_of_another_model_is_refused(tmp_path):
    causal_folder(tmp_path / "model")
    Head(torch.ones(8), 0.0, {"model_name_or_path": str(tmp_path / "model")}).save(tmp_path / "head")
    with pytest.raises(ValueError, match=r"has 8 weights, and its model .* has features of size 32"):
        HeadReward(tmp_path / "head", device=CPU)
