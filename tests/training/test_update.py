"""One optimiser step: its denominator, what refuses it, how often it is made."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import tiny_model
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import LogProbs
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.collect import collect
from grao_ref.training.loop import train
from grao_ref.training.update import forward, make_optimizer, update
from tests.sorting_twin import ANSWER, END, Sorting
from tests.strategies import noise
from tests.training.bandits import HOT, REWARDS, collected


@pytest.mark.parametrize("method", BUILT_IN)
def test_shared_parameters_get_the_mean_over_prompts_however_the_batch_is_split(method):
    """The causal model: one prompt at a time, averaged by hand, against whole and split batches."""
    config = Config(method=method, optimizer="sgd", max_grad_norm=0.0)
    of, task = BUILT_IN[method], Sorting(5)
    gradients = {}
    for parts in (1, 2, 5):
        policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
        rng = torch.Generator().manual_seed(0)
        batch = collect(task.draw(rng), task, policy, policy, config, rng)
        before = [p.detach().clone() for p in policy.parameters()]
        settings = replace(config, gradient_accumulation_steps=parts, learning_rate=1.0)
        update(policy, make_optimizer(policy, settings), batch, settings, independent_prompts=False)
        gradients[parts] = torch.cat(
            [(b - p.detach()).flatten() for b, p in zip(before, policy.parameters(), strict=True)]
        )
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
    terms = of.objective(forward(policy, batch, of.needs(config), config), batch, config).objective
    denominator = 5 * 8 if method == "grpo" else 5  # grpo's terms are sums over the group
    alone = torch.autograd.grad(
        -terms.sum() / denominator, list(policy.parameters()), allow_unused=True, materialize_grads=True
    )
    by_hand = torch.cat([g.flatten() for g in alone])
    assert by_hand.norm() > 1e-3
    for gradient in gradients.values():
        assert (gradient - by_hand).norm() < 1e-3 * by_hand.norm()


def test_the_loop_averages_over_prompts_that_share_parameters_and_adds_up_those_that_do_not():
    norms = []
    for batch in (4, 64):
        config = Config(method="sft", max_steps=1, per_device_train_batch_size=8 * batch)
        experiment = prepare(config)
        norms.append(next(train(experiment.task, experiment.policy, config)).means()["grad_norm"])
    assert 0.3 < norms[1] / norms[0] < 1.1  # a sum would be 16 times as long
    alone, together = (TabularPolicy(noise((1, 4), 0).expand(count, -1)) for count in (1, 7))
    for policy, count in ((alone, 1), (together, 7)):
        next(train(Bandit(REWARDS, 1, count), policy, replace(HOT, method="sft", beta=None)))
    torch.testing.assert_close(together.theta[:1], alone.theta)  # its neighbours make no run slower


def test_a_gradient_that_is_not_finite_is_refused_and_the_policy_stays():
    batch, policy, _ = collected("grpo")
    batch = replace(batch, reference_model=LogProbs(samples=batch.reference_model.samples + 1e6))  # k3 is inf
    before = policy.theta.detach().clone()
    with pytest.raises(FloatingPointError, match=r"gradient's norm (inf|nan|0.0): the step was refused"):
        update(policy, make_optimizer(policy, HOT), batch, replace(HOT, method="grpo"), independent_prompts=True)
    assert torch.equal(policy.theta.detach(), before)


def test_an_objective_that_is_not_finite_is_refused_though_its_gradient_is():
    batch, policy, _ = collected("grpo")
    samples = replace(batch.samples, logprobs=batch.samples.logprobs - 2000)  # ratios beyond every number
    batch = replace(
        batch, samples=samples, advantages=replace(batch.advantages, outputs=-1e10 * torch.ones(3, 5).double())
    )
    with pytest.raises(FloatingPointError, match="the objective is -inf"):
        update(
            policy, make_optimizer(policy, HOT), batch, replace(HOT, method="grpo", beta=0), independent_prompts=True
        )


def test_several_updates_are_made_on_each_batch():
    task, steps = Bandit(REWARDS, 1, 3), []
    for count in (1, 3):
        policy = TabularPolicy(noise((3, 4), 0))
        config = replace(HOT, method="sft", beta=None, num_iterations=count, max_steps=1)
        next(train(task, policy, config))
        steps.append((policy.theta.detach() - noise((3, 4), 0)).norm().item())
    assert steps[1] > 2 * steps[0]


def test_a_loss_of_exactly_0_is_no_fault_and_the_step_is_made():
    """Of a standardised group on policy, the most frequent question about GRPO."""
    batch, policy, _ = collected("grpo", replace(HOT, num_generations=4))
    halves = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64).expand(3, 4)
    actions = torch.tensor([0, 1, 2, 3]).expand(3, 4)[..., None]
    logprobs = policy.logprobs(batch.prompts, actions, torch.ones(3, 4, 1, dtype=torch.bool), temperature=0.7).detach()
    samples = replace(batch.samples, ids=actions, logprobs=logprobs)
    batch = replace(batch, samples=samples, advantages=replace(batch.advantages, outputs=halves))
    config = replace(HOT, method="grpo", num_generations=4, beta=0.0, optimizer="sgd", learning_rate=0.1)
    before = policy.theta.detach().clone()
    metrics = update(policy, make_optimizer(policy, config), batch, config, independent_prompts=True)
    assert metrics["loss"].tolist() == [0.0, 0.0, 0.0]
    assert metrics["grad_norm"] > 0.1
    assert ((policy.theta.detach() - before)[:, :2] > 0).all()  # the good ones are raised
    assert ((policy.theta.detach() - before)[:, 2:] < 0).all()
