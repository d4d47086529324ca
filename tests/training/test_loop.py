"""The loop on a tabular policy: the tie to the exact field, splits, determinism, and what each method converges to."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import split, take
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.collect import collect
from grao_ref.training.loop import train
from grao_ref.training.update import forward, make_optimizer, update
from tests.strategies import noise
from theory.exact import expected_update

REWARDS = torch.tensor([1.0, 0.7, 0.0, 0.2], dtype=torch.float64)
LOGITS = torch.tensor([0.0, -0.5, 0.3, 0.8], dtype=torch.float64)


def bandit(**settings) -> Config:
    return replace(PRESETS["bandit"], **settings)


def one_step(config: Config, copies: int, logits: torch.Tensor = LOGITS) -> torch.Tensor:
    """What one SGD step with learning rate 1 adds to the logits of each of `copies` runs, (N, K)."""
    policy = TabularPolicy(logits.expand(copies, -1))
    for _ in train(Bandit(REWARDS, 1, copies), policy, replace(config, learning_rate=1.0, max_steps=1)):
        pass
    return policy.theta.detach() - logits


@pytest.mark.parametrize("pool", ["with_reference", "outputs"])
@pytest.mark.parametrize("repair", [True, False])
def test_the_tie_a_step_of_the_loop_is_the_exact_field_on_average(pool, repair):
    config = bandit(num_generations=4, pool=pool, imitate_only_when_ahead=repair)
    logits = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)  # ahead and behind, both often
    updates = one_step(config, copies=50_000, logits=logits)
    error = updates.std(0) / len(updates) ** 0.5

    def is_field_of(**changes):
        settings = {"group_size": 4, "beta": 0.5, "lam": 0.6, "pool": pool, "only_when_ahead": repair} | changes
        field = torch.from_numpy(expected_update(logits.numpy(), REWARDS.numpy(), 1, **settings))
        return ((updates.mean(0) - field).abs() < 4.5 * error).all()

    assert is_field_of()
    # controls: another weight, the other objective or the other pool would change it
    assert not is_field_of(lam=0.4)
    assert not is_field_of(only_when_ahead=not repair)
    assert not is_field_of(pool="outputs" if pool == "with_reference" else "with_reference")


@pytest.mark.parametrize("method", BUILT_IN)
def test_accumulation_does_not_change_the_step(method):
    beta = None if BUILT_IN[method].kl_weight is None else 0.05
    config = bandit(method=method, num_generations=4, beta=beta, num_iterations=3)
    whole = one_step(config, copies=7)
    for parts in (2, 3, 7, 100):
        torch.testing.assert_close(one_step(replace(config, gradient_accumulation_steps=parts), 7), whole)


def test_split_covers_every_prompt_once():
    for size in range(1, 9):
        for parts in range(1, 12):
            rows = [row for piece in split(size, parts) for row in range(size)[piece]]
            assert rows == list(range(size))
            assert len(split(size, parts)) == min(size, parts)


@pytest.mark.parametrize("method", BUILT_IN)
def test_the_same_seed_gives_the_same_run_and_another_seed_another(method):
    config = bandit(method=method, num_generations=4)
    assert torch.equal(one_step(config, 5), one_step(config, 5))
    differs = not torch.equal(one_step(config, 5), one_step(replace(config, seed=1), 5))
    assert differs == BUILT_IN[method].needs(config).samples  # sft and dpo have nothing to draw


def final_reward(config: Config, copies: int = 30) -> float:
    task, policy = Bandit(REWARDS, 1, copies), TabularPolicy(LOGITS.expand(copies, -1))
    for _ in train(task, policy, config):
        pass
    return task.expected_reward(policy.theta).mean().item()


def test_what_each_method_converges_to():
    start = (LOGITS.softmax(0) @ REWARDS).item()
    final = {
        method: final_reward(bandit(method=method, learning_rate=2.0, max_steps=60))
        for method in ("sft", "grpo", "ppo")
    }
    assert final["sft"] == pytest.approx(0.7, abs=0.02)  # the reference's level, and no further
    assert final["grpo"] > 0.97
    assert final["ppo"] > 0.97
    # DPO uses the reference and the worst answer only: it beats its start and, on this bandit, misses the best
    assert start + 0.05 < final_reward(bandit(method="dpo", beta=1.0, learning_rate=2.0, max_steps=60)) < 0.95
    assert final_reward(bandit(learning_rate=0.5, max_steps=60)) > 0.85


def test_thm_4_the_printed_objective_unlearns_a_beaten_reference_for_ever_and_the_repaired_one_does_not():
    def reference_logit(repair: bool, steps: int) -> float:
        task, policy = Bandit(REWARDS, 1, 5), TabularPolicy(torch.tensor([[8.0, 0, 0, 0]]).double().expand(5, -1))
        config = bandit(imitate_only_when_ahead=repair, max_steps=steps)
        for _ in train(task, policy, config):
            pass
        return policy.theta[:, 1].mean().item()

    short, long = reference_logit(False, 40), reference_logit(False, 80)
    assert short < -5
    assert long == pytest.approx(2 * short, rel=0.05)  # linear in the number of steps
    assert abs(reference_logit(True, 80)) < 1


def test_kl_to_the_start_holds_grpo_back():
    free, held = (final_reward(bandit(method="grpo", max_steps=50, beta=beta)) for beta in (0.0, 1.0))
    assert held < free - 0.05


BY_PROMPT = (
    "loss",
    "objective/exploration",
    "objective/imitation",
    "objective/alignment",
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "frac_unscored",
    "reference/advantage",
    "reference/win_rate",
    "reference/logp_per_token",
    "rewards/bandit/mean",
)


def test_a_report_has_the_metrics_of_its_step_by_prompt():
    policy = TabularPolicy(LOGITS.expand(6, -1))
    report = next(train(Bandit(REWARDS, 1, 6), policy, bandit(num_generations=4)))
    assert report.step == 1
    metrics = dict(report.metrics)
    assert metrics["grad_norm"] > 0
    assert {name for name, value in metrics.items() if value.shape == (6,)} >= set(BY_PROMPT)
    parts = metrics["objective/exploration"] + metrics["objective/imitation"] + metrics["objective/alignment"]
    torch.testing.assert_close(metrics["loss"], -parts)
    assert report.means()["reference/reward"] == pytest.approx(0.7)


def test_several_updates_on_one_batch_keep_its_old_log_probabilities():
    task, policy = Bandit(REWARDS, 1, 3), TabularPolicy(LOGITS.expand(3, -1))
    config = bandit(method="grpo", num_generations=4, learning_rate=1.0)
    needs = BUILT_IN["grpo"].needs(config)
    rng = torch.Generator().manual_seed(0)
    batch = collect(task.draw(rng), task, policy, policy, config, rng)
    optimizer = make_optimizer(policy, config)
    before = forward(policy, batch, needs, config).samples
    assert torch.equal(before.detach(), batch.samples.logprobs)  # ratio exactly 1 on the first pass
    update(policy, optimizer, batch, config, independent_prompts=True)
    after = forward(policy, batch, needs, config).samples
    assert not torch.equal(after, batch.samples.logprobs)


def test_constants_of_a_batch_carry_no_gradient():
    task, policy = Bandit(REWARDS, 1, 3), TabularPolicy(LOGITS.expand(3, -1))
    for method in BUILT_IN:
        rng = torch.Generator()
        batch = collect(task.draw(rng), task, policy, policy, bandit(method=method, beta=0.1), rng)
        records = [batch.samples, batch.rewards, batch.advantages, batch.critique, batch.reference_model]
        fields = [field for record in records if record is not None for field in vars(record).values()]
        tensors = [field for field in fields if isinstance(field, torch.Tensor)]
        assert not any(t.requires_grad for t in tensors)
        assert len(take(batch, slice(1, 3))) == 2


def test_temperature_is_one_for_sampling_and_for_the_likelihoods():
    policy = TabularPolicy(LOGITS.expand(2, -1))
    batch = Bandit(REWARDS, 1, 2).draw(torch.Generator())
    samples = policy.sample(batch.prompts, 30_000, temperature=0.5, rng=torch.Generator().manual_seed(0))
    cold = (LOGITS / 0.5).softmax(0)
    shares = torch.bincount(samples.ids.flatten(), minlength=4) / samples.ids.numel()
    torch.testing.assert_close(shares.double(), cold, atol=0.01, rtol=0)
    torch.testing.assert_close(samples.logprobs.exp(), cold[samples.ids])
    assert policy.values(batch.prompts, samples.ids, samples.mask).shape == samples.ids.shape


def test_adam_takes_the_step_size_whatever_the_scale_of_the_terms():
    steps = one_step(bandit(method="sft", optimizer="adam"), copies=3)
    torch.testing.assert_close(steps.abs(), torch.ones_like(steps), rtol=1e-5, atol=1e-5)


def test_bad_tasks_and_policies_are_named(without_shape_checks):
    with pytest.raises(ValueError, match=r"rewards must be finite and of shape \(K,\)"):
        Bandit(noise((2, 2), 0), 0, 1)
    with pytest.raises(ValueError, match="reference must be one of the 2 answers, got 2"):
        Bandit(torch.zeros(2), 2, 1)
    with pytest.raises(ValueError, match=r"logits must be a floating-point tensor of shape \(N, K\), got \(2,\)"):
        TabularPolicy(torch.zeros(2))
