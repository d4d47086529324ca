"""What is collected for a method: at which temperature, under which policy, with whose rewards in the pool."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import tiny_model
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Scores
from grao_ref.settings.config import Config
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.collect import collect
from grao_ref.training.update import forward
from tests.equations import twins
from tests.sorting_twin import ANSWER, END, Sorting
from tests.strategies import noise
from tests.training.bandits import HOT, REWARDS, collected


def test_everything_is_scored_at_the_sampling_temperature():
    batch, policy, frozen = collected("grpo")
    at = {p: (p.theta / 0.7).log_softmax(-1).detach().gather(1, batch.samples.ids[..., 0]) for p in (policy, frozen)}
    torch.testing.assert_close(batch.samples.logprobs[..., 0], at[policy])
    torch.testing.assert_close(batch.reference_model.samples[..., 0], at[frozen])
    logprobs = forward(policy, batch, BUILT_IN["grao"].needs(HOT), HOT)
    torch.testing.assert_close(logprobs.samples[..., 0], at[policy])
    torch.testing.assert_close(logprobs.references[:, 0], (policy.theta / 0.7).log_softmax(-1)[:, 1])


def test_dpo_compares_the_reference_with_the_worst_answer_under_the_frozen_policy():
    batch, policy, frozen = collected("dpo")
    assert batch.rejected.ids.flatten().tolist() == [2, 2, 2]
    logprobs = (frozen.theta / 0.7).log_softmax(-1)
    torch.testing.assert_close(batch.reference_model.references[:, 0], logprobs[:, 1])
    torch.testing.assert_close(batch.reference_model.rejected[:, 0], logprobs[:, 2])
    logprobs = forward(policy, batch, BUILT_IN["dpo"].needs(HOT), HOT)
    torch.testing.assert_close(logprobs.rejected[:, 0], (policy.theta / 0.7).log_softmax(-1)[:, 2])


def test_ppo_s_targets_have_the_kl_penalty_and_the_critic_s_baseline():
    batch, policy, _ = collected("ppo")
    kl = batch.samples.logprobs - batch.reference_model.samples
    returns = REWARDS[batch.samples.ids] - 0.4 * kl
    values = policy.critic.detach()[:, None, None].expand(3, 5, 1)
    torch.testing.assert_close(batch.critique.returns, returns)
    torch.testing.assert_close(batch.critique.values, values)
    torch.testing.assert_close(batch.critique.advantages, returns - values)


def test_ppo_s_advantages_over_several_tokens_use_gae_lambda():
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
    torch.nn.init.ones_(policy.critic.weight)
    batches = []
    for gae_lambda in (0.3, 0.9):
        config, rng = Config(method="ppo", gae_lambda=gae_lambda), torch.Generator().manual_seed(0)
        batches.append(collect(Sorting(2).draw(rng), Sorting(2), policy, policy, config, rng))
    for batch, gae_lambda in zip(batches, (0.3, 0.9), strict=True):
        length = int(batch.samples.mask[0, 0].sum())
        rewards = [0.0] * (length - 1) + [batch.rewards.outputs[0, 0].item()]
        values = batch.critique.values[0, 0, :length].tolist()
        got = batch.critique.advantages[0, 0, :length].tolist()
        assert got == pytest.approx([float(a) for a in twins.gae(rewards, values, 1.0, gae_lambda)], abs=1e-4)
        critique, mask = batch.critique, batch.samples.mask  # the critic's targets are returns, not rewards
        torch.testing.assert_close(critique.returns[mask], (critique.advantages + critique.values)[mask])


def test_the_reference_is_a_stranger_to_methods_that_do_not_train_on_it():
    # GRPO's baseline is its group's, whatever the reference earns; GRAO's pool has the reference in it
    for method in ("grpo", "ppo"):
        (poor, *_), (rich, *_) = collected(method, reference=2), collected(method, reference=0)
        assert torch.equal(poor.advantages.outputs, rich.advantages.outputs)
    (poor, *_), (rich, *_) = collected("grao", reference=2), collected("grao", reference=0)
    assert not torch.equal(poor.advantages.outputs, rich.advantages.outputs)
    outputs = replace(HOT, pool="outputs")
    (poor, *_), (rich, *_) = collected("grao", outputs, reference=2), collected("grao", outputs, reference=0)
    assert torch.equal(poor.advantages.outputs, rich.advantages.outputs)


def test_a_frozen_policy_is_kept_only_for_those_who_ask():
    wants = {name: bool(of.needs(replace(HOT, beta=0.0)).reference_model) for name, of in BUILT_IN.items()}
    assert wants == {"sft": False, "dpo": True, "ppo": False, "grpo": False, "grao": False}
    wants = {name: bool(of.needs(HOT).reference_model) for name, of in BUILT_IN.items()}
    assert wants == {"sft": False, "dpo": True, "ppo": True, "grpo": True, "grao": False}
    assert collected("grao")[0].reference_model is None


@pytest.mark.parametrize("method", ["sft", "dpo", "grao"])
def test_a_prompt_without_a_reference_is_refused_by_methods_that_train_on_it(method):
    class OneLess(Bandit):
        def draw(self, rng, step=1):
            batch = super().draw(rng)
            given = torch.tensor([True, False, True])[:, None]
            return replace(batch, references=replace(batch.references, mask=batch.references.mask & given))

    policy = TabularPolicy(noise((3, 4), 0))
    task, rng = OneLess(REWARDS, 1, 3), torch.Generator()
    with pytest.raises(ValueError, match=f"{method} needs references, and this task has prompts without one"):
        collect(task.draw(rng), task, policy, policy, replace(HOT, method=method), rng)


def test_dpo_without_rejected_answers_is_refused():
    class NoRejected(Bandit):
        def draw(self, rng, step=1):
            return replace(super().draw(rng), rejected=None)

    policy = TabularPolicy(noise((3, 4), 0))
    task, rng = NoRejected(REWARDS, 1, 3), torch.Generator()
    with pytest.raises(ValueError, match="dpo needs rejected answers"):
        collect(task.draw(rng), task, policy, policy, replace(HOT, method="dpo"), rng)


class Unscored(Bandit):
    """The reference of the second prompt can't be scored."""

    def reward(self, batch, ids, mask):
        scores = super().reward(batch, ids, mask)
        if ids.shape[1] > 1:
            return scores
        could = torch.tensor([True, False, True])[:, None, None]
        return Scores(scores.values.masked_fill(~could, 0.0), could)


def test_a_reference_that_could_not_be_scored_is_in_no_pool_and_is_not_trained_on():
    task, policy = (
        Unscored(torch.tensor([1.0, 0.7, 0.0, 0.2]).double(), 1, 3),
        TabularPolicy(torch.zeros(3, 4).double()),
    )
    rng, config = torch.Generator().manual_seed(0), Config(num_generations=5)
    batch = collect(task.draw(rng), task, policy, policy, config, rng)
    assert batch.rewards.reference_scored.tolist() == [True, False, True]
    assert batch.advantages.reference[1] == 0
    assert (batch.advantages.reference[[0, 2]] != 0).all()  # control
    rewards = batch.rewards.outputs[1]
    torch.testing.assert_close(
        batch.advantages.outputs[1], (rewards - rewards.mean()) / rewards.std(correction=0)
    )  # of the samples alone
