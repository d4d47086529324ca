"""A completion without a reward is ignored: the result is the same as if it had not been sampled."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.algorithms import ALGORITHMS
from grao_ref.collect import collect
from grao_ref.config import Config
from grao_ref.equations.advantage import group_advantages, scorable_advantages
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.tiny import tiny_model
from grao_ref.records import Samples
from grao_ref.tasks.interface import weighted
from grao_ref.tasks.sorting import ANSWER, END, Sorting
from grao_ref.update import make_optimizer, update
from tests.strategies import seeds

POOLS = ("with_reference", "outputs")


@given(seeds, st.lists(st.booleans(), min_size=3, max_size=7).filter(lambda lost: lost.count(False) >= 2))
def test_eq_4_without_the_lost_ones_is_eq_4_of_the_rest(seed, lost):
    rewards = torch.randn(len(lost), generator=torch.Generator().manual_seed(seed)).double()
    reference, missing = torch.tensor(0.3).double(), torch.tensor(lost)
    for pool in POOLS:
        A_o, A_y = scorable_advantages(rewards.masked_fill(missing, torch.nan), reference, pool=pool)
        alone_o, alone_y = group_advantages(rewards[~missing], reference, pool=pool)
        torch.testing.assert_close(A_o[~missing], alone_o)
        torch.testing.assert_close(A_y, alone_y)
        assert (A_o[missing] == 0).all()


def test_eq_4_of_what_is_left_by_hand():
    nan = torch.nan
    rewards = torch.tensor([[0.0, 1.0, nan], [nan, nan, nan], [nan, 1.0, nan], [0.0, 1.0, 1.0]])
    reference = torch.tensor([0.5, 0.5, 0.0, nan])
    A_o, A_y = scorable_advantages(rewards, reference)
    root = 1.5**0.5
    torch.testing.assert_close(A_o[0], torch.tensor([-root, root, 0.0]))
    assert A_y[0] == 0
    assert (A_o[1] == 0).all()  # nothing to compare the reference with: a pool of one is flat
    assert A_y[1] == 0
    assert A_o[2].tolist() == [0, 1, 0]  # one sample and the reference
    assert A_y[2] == -1
    torch.testing.assert_close(A_o[3], torch.tensor([-(2**0.5), 0.5**0.5, 0.5**0.5]))  # the outputs among themselves
    assert A_y[3] == 0
    assert scorable_advantages(rewards[1:2], reference[1:2], pool="outputs")[1] == 0


def test_infinite_rewards_and_unknown_pools_are_still_refused():
    with pytest.raises(ValueError, match="rewards must be finite"):
        scorable_advantages(torch.tensor([torch.inf, torch.nan]), torch.tensor(0.0))
    with pytest.raises(ValueError, match="pool must be one of"):
        scorable_advantages(torch.tensor([0.0, torch.nan]), torch.tensor(0.0), pool="all")


def test_weights_add_up_over_the_functions_that_could_score():
    nan = torch.nan
    parts = torch.tensor([[[1.0, 2.0], [nan, 2.0], [1.0, nan], [nan, nan]]])
    assert weighted(parts, {"a": 1.0, "b": 0.5})[0, :3].tolist() == [2.0, 1.0, 1.0]
    assert weighted(parts, {"a": 1.0, "b": 0.5})[0, 3].isnan()
    assert weighted(parts, {"a": 0.0, "b": 1.0})[0, [0, 1]].tolist() == [2.0, 2.0]
    assert weighted(parts, {"a": 0.0, "b": 1.0})[0, 2].isnan()  # weight 0: logged, but not counted


class Losing(Sorting):
    """Loses the rewards of given samples, not of references."""

    lost: torch.Tensor | None = None

    def reward(self, batch, ids, mask):
        rewards = super().reward(batch, ids, mask)
        return rewards if ids.shape[1] == 1 or self.lost is None else rewards.masked_fill(self.lost, torch.nan)


class Recorded(CausalLMPolicy):
    """A policy that returns the given samples."""

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
        batch = collect(prompts, task, policy, policy.frozen(), config, rng)
        figures = update(policy, make_optimizer(policy, config), batch, config, independent_prompts=False)
        assert figures["objective"].isfinite().all()
        steps[name] = torch.cat([p.detach().flatten() for p in policy.parameters()]) - before
    assert steps["all"].norm() > 1e-2
    assert (steps["lost"] - steps["left out"]).norm() < 1e-4 * steps["lost"].norm()
    assert (steps["lost"] - steps["all"]).norm() > 0.1 * steps["lost"].norm()  # control: they would have mattered


@pytest.mark.parametrize("method", [name for name, algorithm in ALGORITHMS.items() if algorithm.samples])
def test_a_prompt_without_any_score_teaches_nothing_and_harms_nobody(method):
    config = Config(method=method, optimizer="sgd", learning_rate=1.0, max_grad_norm=0.0)
    task = Losing(2)
    task.lost = torch.tensor([[True] * 4, [False] * 4])[..., None]
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
    rng = torch.Generator().manual_seed(0)
    batch = collect(task.draw(rng), task, policy, policy, replace(config, num_generations=4), rng)
    figures = update(policy, make_optimizer(policy, config), batch, config, independent_prompts=False)
    assert figures["objective"][0] == 0
    assert figures["objective"].isfinite().all()
    assert 0 < figures["grad_norm"] < torch.inf
