"""What stands here instead of TRL's settings: the steps and the methods' own. (test_words.py refuses TRL's names.)"""

import copy
from dataclasses import replace

import pytest
import torch

from grao_ref import finetune
from grao_ref.methods.grpo import GRPO
from grao_ref.methods.ppo import PPO
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Advantages, LogProbs
from grao_ref.settings.config import Config
from grao_ref.settings.presets import OWN
from grao_ref.training.update import make_optimizer
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, anything, ten

row = scripts_of("INSTEAD")
SFT = {"method": "sft", **SMALL}
SAMPLED = {"reward_funcs": anything, **SMALL}


@row("optim=adamw|adamw_torch|adamw_torch_fused", "optimizer: adam (which is AdamW) or sgd")
def test_adam_is_adamw():
    policy = TabularPolicy(torch.zeros(1, 3, dtype=torch.float64))
    kinds = {name: type(make_optimizer(policy, Config(optimizer=name))) for name in ("adam", "sgd")}
    assert kinds == {"adam": torch.optim.AdamW, "sgd": torch.optim.SGD}


@row("activation_checkpointing", "gradient_checkpointing")
def test_hidden_states_are_computed_again_and_the_numbers_stay(embedded, tokenizer):
    losses, on = [], []
    for again in (False, True):
        model = copy.deepcopy(embedded)
        run = finetune(
            model, tokenizer, ten("prompt", "completion"), gradient_checkpointing=again, **SFT | {"max_steps": 2}
        )
        losses.append([next(run).means()["loss"], next(run).means()["loss"]])
        on.append(any(getattr(module, "gradient_checkpointing", False) for module in model.modules()))
    assert on == [False, True]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@row("data_seed", "seed")
def test_the_seed_orders_the_rows(embedded, tokenizer):
    def order(seed):
        run = finetune(copy.deepcopy(embedded), tokenizer, ten("prompt", "completion"), **SFT, seed=seed)
        return next(run).batch.rows.tolist()

    assert order(1) == order(1) != order(2)


@row(
    "generation_batch_size steps_per_generation",
    "gradient_accumulation_steps; a step samples all of its groups",
)
def test_a_step_samples_the_groups_of_all_its_micro_batches_at_once(model, tokenizer):
    calls = []

    def keeps(completions, references=None, **columns):
        calls.append(len(completions))
        return anything(completions)

    given = {"method": "grpo", **SMALL, "gradient_accumulation_steps": 3}
    (report,) = finetune(model, tokenizer, ten("prompt"), reward_funcs=keeps, **given)
    assert report.batch.samples.ids.shape[:2] == (6, 4)  # 3 micro-batches of 2 groups of 4
    assert calls[-1] == 24


@pytest.fixture(scope="module")
def grpo_batch(embedded, tokenizer):
    run = finetune(copy.deepcopy(embedded), tokenizer, ten("prompt"), method="grpo", **SAMPLED)
    return next(run).batch


@row("epsilon_high delta cliprange", "epsilon, on both sides")
def test_a_ratio_is_clipped_on_both_sides(grpo_batch):
    """A ratio of 2 earns at most 1 + ε where the advantage is 1; one of 1/2 costs at least 1 − ε where it is −1."""
    ones = torch.ones_like(grpo_batch.advantages.outputs)
    for epsilon in (0.1, 0.3):
        config = replace(OWN, method="grpo", epsilon=epsilon)
        for sign, ratio, limit in ((1.0, 2.0, 1 + epsilon), (-1.0, 0.5, -(1 - epsilon)), (1.0, 0.5, 0.5)):
            batch = replace(grpo_batch, advantages=Advantages(sign * ones, grpo_batch.advantages.reference))
            moved = (batch.samples.logprobs + torch.tensor(ratio).log()) * batch.samples.mask
            found = GRPO.objective(LogProbs(samples=moved), batch, config).objective / 4  # four samples
            assert found.tolist() == pytest.approx([limit, limit], rel=1e-5)


@pytest.fixture(scope="module")
def ppo_batches(embedded, tokenizer):
    """gae_lambda -> a batch of PPO's, with the same samples and critic."""
    return {
        weight: next(
            finetune(copy.deepcopy(embedded), tokenizer, ten("prompt"), method="ppo", gae_lambda=weight, **SAMPLED)
        ).batch
        for weight in (0.0, 1.0)
    }


@row("cliprange_value", "epsilon, for the critic too")
def test_the_critic_s_move_is_clipped(ppo_batches):
    """A value half way to its return: with ε = 0.1 it counts as if it had moved by 0.1 alone."""
    batch = ppo_batches[1.0]
    old = batch.critique.returns - 1.0
    batch = replace(batch, critique=replace(batch.critique, values=old))
    now = LogProbs(samples=batch.samples.logprobs, values=(old + 0.5) * batch.samples.mask)
    errors = {
        epsilon: PPO.objective(now, batch, replace(OWN, method="ppo", epsilon=epsilon))
        .metrics["value_error"]
        .mean()
        .item()
        for epsilon in (0.1, 0.5)
    }
    assert errors[0.1] / errors[0.5] == pytest.approx(0.9**2 / 0.5**2, rel=1e-4)


@row("lam", "gae_lambda")
def test_gae_s_lambda_is_how_far_advantages_look(ppo_batches):
    """1: the whole return minus the value. 0: one step ahead, the next value minus this one."""
    far, near = ppo_batches[1.0].critique, ppo_batches[0.0].critique
    mask, values = ppo_batches[0.0].samples.mask, near.values
    rewards = ppo_batches[1.0].rewards.outputs[..., None].expand_as(values)
    torch.testing.assert_close((far.advantages + far.values)[mask], rewards[mask])
    ahead = mask[..., 1:]
    torch.testing.assert_close(near.advantages[..., :-1][ahead], (values[..., 1:] - values[..., :-1])[ahead])


@row("kl_coef init_kl_coef", "beta")
def test_beta_weighs_the_kl_penalty_of_ppo(embedded, tokenizer):
    """In the second step, where the policy has moved: PPO's reward of a token is less by β log π/π_ref."""
    batches = {}
    for beta in (0.0, 0.5):
        given = {"method": "ppo", "beta": beta, "gae_lambda": 1.0, **SAMPLED, "max_steps": 2, "learning_rate": 1e-2}
        *_, report = finetune(copy.deepcopy(embedded), tokenizer, ten("prompt"), **given)
        batches[beta] = report
    assert "kl" not in batches[0.0].means()
    batch = batches[0.5].batch
    divergence = (batch.samples.logprobs - batch.reference_model.samples) * batch.samples.mask
    wanted = batch.rewards.outputs - 0.5 * divergence.sum(-1)
    found = (batch.critique.advantages + batch.critique.values)[..., 0]  # the return from the first token on
    torch.testing.assert_close(found, wanted)
    assert divergence.abs().max() > 1e-3


@row("total_episodes", "max_steps or num_train_epochs")
def test_the_length_of_a_run_is_steps_or_passes(model, tokenizer):
    given = {"reward_funcs": anything, **{name: value for name, value in SMALL.items() if name != "max_steps"}}
    rows = ten("prompt", "completion")  # two prompts a step: five steps a pass
    assert len(finetune(model, tokenizer, rows, num_train_epochs=2, **given)) == 10
    assert len(finetune(model, tokenizer, rows, max_steps=3, **given)) == 3


@row("use_transformers_paged use_transformers_continuous_batching", "sampler: paged")
def test_groups_are_drawn_by_continuous_batching(embedded, tokenizer):
    model = copy.deepcopy(embedded)
    run = finetune(model, tokenizer, ten("prompt", "completion"), sampler="paged", **SAMPLED)
    assert next(run).batch.samples.ids.dim() == 3
    assert run.setup.policy.paged
    assert Config().sampler == "decode"  # the control
