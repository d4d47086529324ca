"""python -m grao_ref.pretrain: what the base model learns from, and that it can be made again."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import grao_ref.pretrain as module
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import END, tiny_folder, tiny_model
from grao_ref.pretrain import ANSWER, SETTINGS, Drafts, main, pretrain
from grao_ref.tasks.interface import Task
from tests.sorting_twin import Sorting


def drawn(seed: int = 0, batch: int = 50, task=Drafts):
    return task(batch).draw(torch.Generator().manual_seed(seed))


def test_drafts_are_mostly_shuffled_and_sometimes_sorted():
    batch = drawn(batch=5000)
    rewards = Sorting(1).reward(batch, batch.references.ids[:, None], batch.references.mask[:, None]).values
    assert 0.08 < (rewards == 1).float().mean().item() < 0.14  # one in ten on purpose, one in 120 by chance
    assert torch.equal(batch.references.ids.sort(-1).values[:, :5], batch.prompts.ids[:, :5].sort(-1).values)
    assert (batch.references.ids[:, 5] == END).all()


def test_prompts_are_those_of_the_sorting_task():
    assert torch.equal(drawn(batch=20).prompts.ids, drawn(batch=20, task=Sorting).prompts.ids)


def test_the_drafts_are_the_same_for_the_same_seed_as_ever():
    """Other random numbers would make other weights."""
    batch = drawn(seed=7, batch=64)
    ids = torch.cat([batch.prompts.ids, batch.references.ids], dim=1)
    assert hashlib.sha256(ids.numpy().tobytes()).hexdigest()[:16] == "441c87ec182594fa"


def test_drafts_are_a_task_without_a_reward():
    task, batch = Drafts(3), drawn(batch=3)
    assert isinstance(task, Task)
    scores = task.reward(batch, batch.references.ids[:, None], batch.references.mask[:, None])
    assert scores.values.shape == (3, 1, len(task.reward_weights)) == (3, 1, 0)


def test_shipped_weights_fit_the_drafts_as_pretraining_left_them():
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
    batch = drawn(2, 500)
    scores = policy.logprobs(
        batch.prompts, batch.references.ids[:, None], batch.references.mask[:, None], temperature=1
    )
    assert scores.mean().item() == pytest.approx(-0.83, abs=0.04)  # what the last hundred steps of pretraining report


def test_pretraining_starts_from_nothing_and_repeats_itself():
    model = tiny_model(seed=SETTINGS.seed)
    policy = CausalLMPolicy(model, eos_ids=[END], max_completion_length=ANSWER)
    first = next(pretrain(policy)).means()["reference/logp_per_token"]
    assert first == pytest.approx(-2.5, abs=0.3)  # log 1/12: it starts out knowing nothing
    digests = set()
    for _ in range(2):  # the same seed, the same bits
        model = tiny_model(seed=SETTINGS.seed)
        steps = pretrain(CausalLMPolicy(model, eos_ids=[END], max_completion_length=ANSWER))
        for _ in range(3):
            next(steps)
        digests.add(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest())
    assert len(digests) == 1


def test_the_command_writes_the_whole_folder_and_nothing_of_it_differs_but_the_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "SETTINGS", replace(SETTINGS, max_steps=2))
    assert main(["--output-dir", str(tmp_path / "tiny")]) == 0
    assert "wrote " in capsys.readouterr().out
    for path in tiny_folder().glob("*.json"):
        made, shipped = json.loads((tmp_path / "tiny" / path.name).read_text()), json.loads(path.read_text())
        for content in (made, shipped):
            content.pop("transformers_version", None)  # of whoever made it last
        assert made == shipped, path.name
    model, tokenizer = (kind.from_pretrained(tmp_path / "tiny") for kind in (AutoModelForCausalLM, AutoTokenizer))
    assert model.num_parameters() == tiny_model().num_parameters()
    assert tokenizer("52914=").input_ids == [5, 2, 9, 1, 4, 10]


def test_a_mixture_has_as_many_active_parameters_as_the_dense_model(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SETTINGS", replace(SETTINGS, max_steps=2))
    assert main(["--experts", "4", "--output-dir", str(tmp_path)]) == 0
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    config = model.config
    layers, active, width = config.num_hidden_layers, config.num_experts_per_tok, config.hidden_size
    expert = 3 * width * config.intermediate_size
    idle, router = (config.num_local_experts - active) * expert * layers, config.num_local_experts * width * layers
    assert (config.num_local_experts, active) == (4, 2)
    assert model.num_parameters() - idle - router == tiny_model().num_parameters()


@pytest.mark.parametrize("words", [["--experts", "4"], ["--experts", "1", "--output-dir", "x"]])
def test_a_mixture_that_cannot_be_made_is_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "--experts" in capsys.readouterr().err
