"""Rows that the gradient can't reach are not forwarded: nothing else changes, and nothing else is left out."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods import registry
from grao_ref.methods.interface import Rows
from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import tiny_model
from grao_ref.records import Advantages
from grao_ref.settings.config import Config
from grao_ref.training.collect import collect
from grao_ref.training.loop import train
from grao_ref.training.update import make_optimizer, update, with_rows
from tests.sorting_twin import ANSWER, END, Sorting

GRPO = Config(method="grpo", learning_rate=1e-2, max_grad_norm=0.0)
REPAIRED = Config(method="grao", imitate_only_when_ahead=True, learning_rate=1e-2, max_grad_norm=0.0)


def collected(config, *, outputs=None, reference=None):
    """A batch of four groups; the first is dead, and the second's reference is beaten."""
    policy, task = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER), Sorting(4)
    rng = torch.Generator().manual_seed(0)
    batch = collect(task.draw(rng), task, policy, policy, config, rng)
    A_o, A_y = batch.advantages.outputs.clone(), batch.advantages.reference.clone()
    A_o[0], A_y[0], A_y[1] = 0.0, 0.0, -0.7
    if config.method == "grao":
        A_o[1] = torch.linspace(-1, 1.1, A_o.shape[1])  # Ā > 0
    return replace(batch, advantages=Advantages(A_o, A_y)), policy


def every_row(batch, config):
    """All are forwarded, whether or not a gradient can reach them."""
    return Rows(torch.ones_like(batch.rewards.scored), torch.ones_like(batch.rewards.reference_scored))


def stepped(config, batch, policy, monkeypatch, *, all_rows=False, steps=1):
    """Parameters and metrics after some updates, and the rows of each forward pass."""
    method = BUILT_IN[config.method]
    if all_rows:
        monkeypatch.setitem(registry.METHODS, method.name, replace(method, rows=every_row))
    forwarded, inner = [], policy.logprobs

    def counted(prompts, ids, mask, **named):
        forwarded.append(int(mask.any(dim=-1).sum()))
        return inner(prompts, ids, mask, **named)

    policy.logprobs = counted
    optimizer = make_optimizer(policy, config)
    for _ in range(steps):
        metrics = update(policy, optimizer, batch, config, independent_prompts=False)
    monkeypatch.undo()
    return torch.cat([p.detach().flatten() for p in policy.parameters()]), metrics, forwarded, optimizer


def reached(config, batch) -> int:
    """How many rows have a weight in eq-3, one prompt after the other."""
    beta = 0.0 if "imitation" in config.ablate else config.imitation_coef
    lam = 0.0 if "alignment" in config.ablate else config.alignment_coef
    rows = 0
    for A_o, A_y in zip(batch.advantages.outputs.tolist(), batch.advantages.reference.tolist(), strict=True):
        rows += sum(A != 0 for A in A_o)
        if config.method == "grao":
            w_y = beta * A_y - lam * sum(A_o) / len(A_o)
            rows += w_y > 1e-6 if config.imitate_only_when_ahead else abs(w_y) > 1e-6
    return rows


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize(
    "config",
    [
        GRPO,
        REPAIRED,
        replace(REPAIRED, imitate_only_when_ahead=False),
        replace(REPAIRED, ablate=("imitation",)),
        replace(REPAIRED, imitate_only_when_ahead=False, ablate=("exploration", "alignment")),
    ],
)
def test_the_steps_are_those_with_every_row(config, parts, monkeypatch):
    config = replace(config, gradient_accumulation_steps=parts)
    batch, policy = collected(config)
    rows, before = reached(config, batch), torch.cat([p.detach().flatten() for p in policy.parameters()])
    ours, metrics, forwarded, _ = stepped(config, batch, policy, monkeypatch, steps=2)
    theirs, expected, whole, _ = stepped(config, *collected(config), monkeypatch, all_rows=True, steps=2)
    assert ((ours - theirs).norm() / (theirs - before).norm()).item() < 1e-4
    assert (theirs - before).norm() > 1e-2  # control
    everyone = 36 if config.method == "grao" else 32
    assert sum(whole) == 2 * everyone
    assert sum(forwarded) == 2 * (rows + (parts > 1))  # a part that is dead altogether keeps a row
    assert rows <= everyone - 8
    for name in set(metrics) - {"grad_norm", "clip_ratio/region_mean", "reference/logp_per_token"}:
        torch.testing.assert_close(metrics[name], expected[name], rtol=2e-3, atol=1e-5)
    assert metrics["loss"].abs().max() > 0.01


def test_a_row_too_few_would_be_seen(monkeypatch):
    """Control: without the samples whose advantage is below 0, the step is another."""
    batch, policy = collected(GRPO)
    fewer = replace(
        BUILT_IN["grpo"], rows=lambda batch, config: Rows(batch.advantages.outputs > 0, batch.advantages.reference > 0)
    )
    monkeypatch.setitem(registry.METHODS, "grpo", fewer)
    wrong = stepped(GRPO, batch, policy, monkeypatch)[0]
    right = stepped(GRPO, *collected(GRPO), monkeypatch)[0]
    assert (wrong - right).norm() > 1e-3


def test_a_kl_penalty_moves_samples_without_an_advantage_too(monkeypatch):
    config = replace(GRPO, beta=0.1)
    assert stepped(config, *collected(config), monkeypatch)[2] == [32]


def test_adam_goes_on_with_its_momentum_where_all_groups_are_dead(monkeypatch):
    for config in (GRPO, REPAIRED):
        ends = []
        for all_rows in (False, True):
            batch, policy = collected(config)
            _, _, _, optimizer = stepped(config, batch, policy, monkeypatch)
            middle = torch.cat([p.detach().flatten() for p in policy.parameters()])
            none = Advantages(torch.zeros_like(batch.advantages.outputs), torch.zeros_like(batch.advantages.reference))
            dead = replace(batch, advantages=none)
            if all_rows:
                monkeypatch.setitem(registry.METHODS, config.method, replace(BUILT_IN[config.method], rows=every_row))
            metrics = update(policy, optimizer, dead, config, independent_prompts=False)
            monkeypatch.undo()
            assert metrics["grad_norm"] == 0
            ends.append(torch.cat([p.detach().flatten() for p in policy.parameters()]))
            assert (ends[-1] - middle).norm() > 1e-3  # the momentum's step
        torch.testing.assert_close(*ends, rtol=0, atol=1e-6)


def test_an_unscored_sample_is_not_forwarded_and_a_beaten_reference_not_imitated():
    batch, _ = collected(REPAIRED)
    scored = batch.rewards.scored.clone()
    scored[2, :3] = False
    batch = replace(batch, rewards=replace(batch.rewards, scored=scored))
    kept = with_rows(batch, BUILT_IN["grao"], REPAIRED)
    alive = kept.samples.mask.any(dim=-1)
    assert alive.tolist() == (scored & (batch.advantages.outputs != 0)).tolist()
    assert not alive[0].any()
    assert not kept.references.mask[:2].any()
    assert torch.equal(kept.samples.mask[alive], batch.samples.mask[alive])
    assert with_rows(batch, BUILT_IN["ppo"], REPAIRED) is batch


def test_the_clipped_share_counts_samples_that_are_not_forwarded_as_inside(monkeypatch):
    batch, policy = collected(GRPO)
    samples = batch.samples
    moved = replace(batch, samples=replace(samples, logprobs=(samples.logprobs - 1) * samples.mask))  # ratios near e
    metrics = stepped(GRPO, moved, policy, monkeypatch)[1]["clip_ratio/region_mean"]
    assert metrics[0] == 0
    assert (metrics[1:] > 0.9).all()


def test_no_gradients_are_kept_while_answers_are_sampled():
    policy, task = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER), Sorting(2)
    kept, inner = [], policy.sample

    def looking(*arguments, **named):
        kept.append(sum(p.grad is not None for p in policy.parameters()))
        return inner(*arguments, **named)

    policy.sample = looking
    for _ in train(task, policy, replace(GRPO, max_steps=2)):
        assert any(p.grad is not None for p in policy.parameters())  # control: a step leaves them
    assert kept == [0, 0]
