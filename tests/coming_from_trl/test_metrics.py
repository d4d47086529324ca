"""The metrics of a report: TRL's names with the values that the page gives them."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import logsigmoid

from grao_ref import finetune
from grao_ref.methods.grpo import clipped
from grao_ref.records import LogProbs, Tokens
from grao_ref.settings.presets import OWN
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import DPO, SMALL, anything, likelihoods, right, ten

row = scripts_of("Metrics")
GRPO = {"method": "grpo", "reward_funcs": [right, anything], "beta": 0.1, **SMALL, "max_steps": 2}


@pytest.fixture(scope="module")
def sampled(embedded, tokenizer):
    """(the model before each of two steps, their reports, their means)."""
    model, before = copy.deepcopy(embedded), []
    rows = ten("prompt", "solution")
    run = finetune(model, tokenizer, rows[1:], eval_rows=rows[:1], **GRPO)
    reports = []
    for _ in range(2):
        before.append(copy.deepcopy(model))
        reports.append(next(run))
    return before, reports, [report.means() for report in reports]


@row("loss, grad_norm, learning_rate, step_time", "the same, every step")
def test_the_loss_is_what_a_step_minimises(sampled, paired, embedded, tokenizer):
    """−log σ of DPO's margin; the gradient's norm before clipping, which plain SGD shows; seconds."""
    for means in (*sampled[2], *paired[2]):
        assert {"loss", "grad_norm", "learning_rate", "step_time"} <= set(means)
        assert means["learning_rate"] == pytest.approx(1e-3)
        assert 0 < means["step_time"] < 60
    assert paired[2][0]["loss"] == pytest.approx(-logsigmoid(torch.tensor(0.0)).item())
    model = copy.deepcopy(embedded)
    plain = DPO | {"max_steps": 1, "optimizer": "sgd", "learning_rate": 1e-2, "max_grad_norm": 0.0}
    (report,) = finetune(model, tokenizer, ten("prompt", "chosen", "rejected"), **plain)
    moved = sum((p - q).square().sum() for p, q in zip(model.parameters(), embedded.parameters(), strict=True)).sqrt()
    assert moved.item() == pytest.approx(1e-2 * report.means()["grad_norm"], rel=1e-3)


@row("reward, rewards/NAME/mean, frac_reward_zero_std", "the same")
def test_rewards_are_means_over_the_samples(sampled, model, tokenizer):
    _, (report, _), (means, _) = sampled
    parts = report.batch.rewards.parts.values
    for n, name in enumerate(("right", "anything")):
        assert means[f"rewards/{name}/mean"] == pytest.approx(parts[..., n].mean().item())
    assert means["reward"] == pytest.approx(parts.sum(-1).mean().item(), rel=1e-5)
    assert means["frac_reward_zero_std"] == 0

    def by_prompt(prompts, completions, **columns):  # the same for a group, but in one of the two
        return [
            0.0 if prompt == prompts[0] else reward
            for prompt, reward in zip(prompts, anything(completions), strict=False)
        ]

    (report,) = finetune(model, tokenizer, ten("prompt"), **GRPO | {"reward_funcs": by_prompt, "max_steps": 1})
    assert report.means()["frac_reward_zero_std"] == 0.5


@row(
    "reward_std",
    "the population's standard deviation of each group, on average. TRL's is that of all rewards of a batch",
)
def test_the_deviation_is_that_of_a_group(sampled):
    _, (report, _), (means, _) = sampled
    rewards = report.batch.rewards.outputs
    assert means["reward_std"] == pytest.approx(rewards.std(dim=-1, correction=0).mean().item(), rel=1e-4)
    assert abs(means["reward_std"] - rewards.std().item()) > 1e-3  # control: TRL's


@row("completions/mean_length, completions/min_length, completions/max_length, completions/clipped_ratio", "the same")
def test_lengths_are_in_tokens_with_the_end_and_cut_off_answers_are_counted(sampled, model, tokenizer):
    _, (report, _), (means, _) = sampled
    lengths = report.batch.samples.mask.sum(-1).float()
    for name, value in (("mean", lengths.mean()), ("min", lengths.min()), ("max", lengths.max())):
        assert means[f"completions/{name}_length"] == pytest.approx(value.item())
    assert means["completions/clipped_ratio"] == 0
    short = GRPO | {"max_completion_length": 3, "max_steps": 1}
    (report,) = finetune(model, tokenizer, ten("prompt", "solution"), **short)
    assert report.means()["completions/clipped_ratio"] == 1
    assert report.means()["completions/max_length"] == 3


@row(
    "kl",
    "the same estimate (k3); a mean over each sample's tokens, then over samples. TRL's is over all tokens. "
    "In ppo it is k1",
)
def test_kl_is_k3_over_each_sample_and_k1_in_ppo(sampled, embedded, model, tokenizer):
    (_, before), (_, report), (_, means) = sampled

    def by_sample(estimate, now, batch):
        rows = []
        for n in range(len(batch)):
            prompts = Tokens(batch.prompts.ids[n].expand(4, -1), batch.prompts.mask[n].expand(4, -1))
            each = (likelihoods(which, prompts, Tokens(batch.samples.ids[n], batch.samples.mask[n]))
                    for which in (now, embedded))  # fmt: skip
            rows += [estimate(new, old).mean().item() for new, old in zip(*each, strict=True)]
        return sum(rows) / len(rows)

    k3 = by_sample(lambda new, old: (old - new).exp() - (old - new) - 1, before, report.batch)
    assert means["kl"] == pytest.approx(k3, rel=1e-3)
    run = finetune(model, tokenizer, ten("prompt", "solution"), **GRPO | {"method": "ppo"})
    next(run)
    before = copy.deepcopy(model)
    second = next(run)
    k1 = by_sample(lambda new, old: new - old, before, second.batch)
    assert second.means()["kl"] == pytest.approx(k1, rel=1e-2)


@row("entropy", "−log π of the sampled tokens, an estimate. TRL's is computed from the whole distribution")
def test_the_entropy_is_an_estimate_from_the_samples(sampled):
    (before, _), (report, _), (means, _) = sampled
    batch, rows = report.batch, []
    for n in range(len(batch)):
        prompts = Tokens(batch.prompts.ids[n].expand(4, -1), batch.prompts.mask[n].expand(4, -1))
        rows += likelihoods(before, prompts, Tokens(batch.samples.ids[n], batch.samples.mask[n]))
    assert means["entropy"] == pytest.approx(-sum(each.mean().item() for each in rows) / len(rows), rel=1e-4)


@row(
    "clip_ratio/region_mean",
    "the share of tokens whose ratio is outside 1 ± epsilon; a sample without an advantage counts as inside. "
    "TRL's leaves out those that the clipping does not change",
)
def test_the_clip_ratio_counts_every_ratio_outside(sampled):
    _, (report, _), (means, _) = sampled
    assert means["clip_ratio/region_mean"] == 0  # the first update is made where the samples were drawn
    batch = report.batch
    moved = batch.samples.logprobs.clone()
    moved[..., 0] += 0.5  # every first token's ratio is 1.65, whatever its advantage's sign
    config = replace(OWN, method="grpo")
    found = clipped(LogProbs(samples=moved), batch, config, among=torch.ones_like(batch.rewards.scored))
    lengths = batch.samples.mask.sum(-1)
    assert found.tolist() == pytest.approx((1 / lengths).mean(-1).tolist())
    assert (batch.advantages.outputs < 0).any()  # of which the clipping changes nothing


@row("num_tokens", "sampled tokens, so far; 0 in sft and dpo. TRL's counts the prompts too")
def test_tokens_are_counted_as_they_are_sampled(sampled, paired):
    _, reports, means = sampled
    counts = [int(report.batch.samples.mask.sum()) for report in reports]
    assert [each["num_tokens"] for each in means] == [counts[0], sum(counts)]
    assert [each["num_tokens"] for each in paired[2]] == [0, 0]


@row("eval_reward", "the same, of answers sampled to eval_rows")
def test_the_evaluation_s_reward_is_of_sampled_answers(sampled, model, tokenizer):
    calls = []

    def keeps(prompts, completions, **columns):
        calls.append((prompts, anything(completions)))
        return calls[-1][1]

    given = {"method": "grpo", "reward_funcs": keeps, "num_generations_eval": 3, **SMALL}
    rows = ten("prompt")
    (report,) = finetune(model, tokenizer, rows[:6], eval_rows=rows[6:], **given)
    prompts, rewards = calls[-1]
    assert prompts == [each["prompt"] for each in rows[6:] for _ in range(3)]
    assert report.means()["eval_reward"] == pytest.approx(sum(rewards) / 12)
    assert "eval_reward" in sampled[2][1]


@row("rewards/NAME/std, clip_ratio/low_mean, clip_ratio/high_mean", "not logged")
@row("completions/mean_terminated_length, mean_token_accuracy", "not logged")
@row("sampling/..., tools/...", "not here: no inference server, no tools")
def test_metrics_that_the_page_calls_missing_are(sampled, paired):
    names = set().union(*sampled[2], *paired[2])
    missing = {"rewards/right/std", "rewards/anything/std", "clip_ratio/low_mean", "clip_ratio/high_mean"}
    missing |= {"completions/mean_terminated_length", "mean_token_accuracy"}
    assert not missing & names
    assert not [name for name in names if name.startswith(("sampling/", "tools/"))]
    assert "rewards/right/mean" in names


def test_grao_s_own_metrics_are_those_that_stand_below_the_table(model, tokenizer):
    (report,) = finetune(model, tokenizer, ten("prompt", "completion"), reward_funcs=anything, **SMALL)
    (grpo,) = finetune(model, tokenizer, ten("prompt", "completion"), reward_funcs=anything, **SMALL, method="grpo")
    own = {f"{kind}/{term}" for kind in ("objective", "objective_share")
           for term in ("exploration", "imitation", "alignment")}  # fmt: skip
    assert own | {"reference/logp_per_token"} == set(report.means()) - set(grpo.means())
    assert {"reference/reward", "reference/advantage", "reference/win_rate", "frac_unscored"} <= set(grpo.means())
