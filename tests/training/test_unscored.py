"""A completion that could not be scored counts for nothing and disturbs nobody: it is as if it had not been sampled."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import tiny_model
from grao_ref.records import Samples, Scores
from grao_ref.settings.config import Config
from grao_ref.training.collect import collect
from grao_ref.training.update import make_optimizer, update
from tests.sorting_twin import ANSWER, END, Sorting


class Losing(Sorting):
    """Loses the rewards of given samples, not of references."""

    lost: torch.Tensor | None = None

    def reward(self, batch, ids, mask):
        scores = super().reward(batch, ids, mask)
        if ids.shape[1] == 1 or self.lost is None:
            return scores
        return Scores(scores.values.masked_fill(self.lost, 0), scores.scored & ~self.lost)


class Recorded(CausalLMPolicy):
    """Samples what it is told to."""

    given: Samples

    def sample(self, prompts, num_generations, **settings):
        return self.given


@pytest.mark.parametrize(
    ("method", "loss_type"),
    [("grao", "grpo"), ("ppo", "grpo"), ("grpo", "grpo"), ("grpo", "dapo"), ("grpo", "dr_grpo")],
)
def test_a_step_with_lost_rewards_is_the_step_without_those_samples(method, loss_type):
    """In every group the same number is lost, so that the step without them is a smaller rectangular batch."""
    config = Config(method=method, loss_type=loss_type, optimizer="sgd", learning_rate=1.0, max_grad_norm=0.0, beta=0.1)
    keep = torch.tensor([[0, 2, 3], [1, 2, 4], [0, 3, 4], [0, 1, 2]])
    lost = torch.ones(4, 5, dtype=torch.bool).scatter(1, keep, False)
    steps = {}
    for name in ("lost", "left out", "all"):
        policy = Recorded(tiny_model(), eos_ids=[END], max_completion_length=ANSWER + 2)
        torch.nn.init.ones_(policy.critic.weight)
        task, rng = Losing(4), torch.Generator().manual_seed(0)
        prompts = task.draw(rng)
        samples = CausalLMPolicy.sample(policy, prompts.prompts, 5, temperature=1.0, rng=rng)
        if name == "left out":
            samples = Samples(
                *(getattr(samples, f)[torch.arange(4)[:, None], keep] for f in ("ids", "mask", "logprobs"))
            )
        if name == "lost":
            task.lost = lost[..., None]
        policy.given = samples
        before = torch.cat([p.detach().flatten() for p in policy.parameters()])
        before_training = policy.frozen()
        for parameter in before_training.model.parameters():
            parameter.mul_(0.9)  # so that the KL penalty has a gradient
        batch = collect(prompts, task, policy, before_training, config, rng)
        metrics = update(policy, make_optimizer(policy, config), batch, config, independent_prompts=False)
        assert metrics["loss"].isfinite().all()
        steps[name] = torch.cat([p.detach().flatten() for p in policy.parameters()]) - before
    assert steps["all"].norm() > 1e-2
    assert (steps["lost"] - steps["left out"]).norm() < 1e-4 * steps["lost"].norm()
    assert (steps["lost"] - steps["all"]).norm() > 0.1 * steps["lost"].norm()  # control: they would have mattered


@pytest.mark.parametrize("method", [name for name, of in BUILT_IN.items() if of.needs(Config()).samples])
def test_a_prompt_without_any_score_teaches_nothing_and_harms_nobody(method):
    config = Config(method=method, optimizer="sgd", learning_rate=1.0, max_grad_norm=0.0)
    task = Losing(2)
    task.lost = torch.tensor([[True] * 4, [False] * 4])[..., None]
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
    rng = torch.Generator().manual_seed(0)
    batch = collect(task.draw(rng), task, policy, policy, replace(config, num_generations=4), rng)
    metrics = update(policy, make_optimizer(policy, config), batch, config, independent_prompts=False)
    assert metrics["loss"][0] == 0
    assert metrics["loss"].isfinite().all()
    assert 0 < metrics["grad_norm"] < torch.inf
