"""A task of one's own trains with the same loop, and a data format of one's own is read by its columns."""

import json
from dataclasses import replace

import pytest
import torch

from grao_ref.data import rows
from grao_ref.data.load import load_rows
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Batch, Scores, Tokens
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.interface import Task, references_as_answers
from grao_ref.train import main
from grao_ref.training.loop import train


class Neighbours:
    """Prompt q of N: the answer q + 1 (of K) earns 1, the reference q earns 0.5; answers from K/2 on are not scored."""

    independent_prompts = True
    reward_weights = {"near": 1.0}  # noqa: RUF012 never changed

    def __init__(self, prompts: int, answers: int) -> None:
        self.prompts, self.answers = prompts, answers

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        ids = torch.arange(self.prompts)[:, None]
        tokens = Tokens(ids, torch.ones_like(ids, dtype=torch.bool))
        return Batch(tokens, tokens)

    def reward(self, batch: Batch, ids: torch.Tensor, mask: torch.Tensor) -> Scores:
        distance = ids - batch.prompts.ids[:, None]
        values = (distance == 1) * 1.0 + (distance == 0) * 0.5
        return Scores(values.double() * (ids < self.answers // 2), ids < self.answers // 2)

    def reward_references(self, batch: Batch) -> Scores:
        return references_as_answers(self, batch)


@pytest.mark.parametrize("method", ["grao", "grpo", "ppo"])
def test_a_task_of_one_s_own_is_learned(method):
    task, policy = Neighbours(3, 8), TabularPolicy(torch.zeros(3, 8).double())
    assert isinstance(task, Task)
    config = replace(PRESETS["bandit"], method=method, learning_rate=2.0, max_steps=120)
    *_, last = train(task, policy, config)
    best = policy.theta.detach().softmax(-1)[torch.arange(3), torch.arange(3) + 1]
    assert best.min() > 0.6  # from 1/8: the reference earns half of it
    assert 0 <= last.means()["frac_unscored"] < 0.5


def questions(question, choices, right):
    """Multiple choice: the columns of a format that the package does not have."""
    listed = "\n".join(f"{letter}. {text}" for letter, text in zip("abc", choices, strict=False))
    return f"{question}\n{listed}\n", "abc"[right], None, {"solution": "abc"[right]}


def test_a_data_format_of_one_s_own_is_read_by_its_columns_and_trained_on(tmp_path):
    from tests.language import save_model

    file = tmp_path / "choices.jsonl"
    entries = [{"question": f"which {n}?", "choices": ["one", "two"], "right": n % 2} for n in range(20)]
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with pytest.raises(ValueError, match="has the columns question, choices, right; expected one of"):
        load_rows(str(file))
    rows.register_format(("question", "choices", "right"), questions)
    try:
        first = load_rows(str(file))[0]
        assert (first.prompt, first.reference) == ("which 0?\na. one\nb. two\n", "a")
        model = save_model(tmp_path / "model")
        flags = ["--model-name-or-path", model, "--dataset-name", str(file), "--reward-funcs", "exact"]
        sizes = ["--num-generations", "4", "--per-device-train-batch-size", "8", "--max-steps", "2"]
        assert main([*flags, *sizes, "--output-dir", str(tmp_path / "run")]) == 0
        with pytest.raises(ValueError, match="question"):
            rows.register_format(("question", "choices", "right"), questions)
    finally:
        del rows.FORMATS[0]
