"""The metrics of an evaluation, by hand and for known policies."""

import math
from dataclasses import replace

import pytest
import torch

from grao_ref.evaluation.assess import Answers, assess, bootstrap, repetition
from grao_ref.records import Samples

NAN = math.nan


def answers(rewards, logprobs=None, base=None, texts=None):
    """One answer of two tokens to each prompt, the second masked where its log-probability is None."""
    count = len(rewards)
    ids = torch.arange(2 * count).view(count, 1, 2)
    scores = torch.zeros(count, 1, 2) if logprobs is None else torch.tensor(logprobs)[:, None]
    samples = Samples(ids, torch.ones_like(ids, dtype=torch.bool), scores)
    at_base = None if base is None else torch.tensor(base)[:, None]
    return Answers(samples, texts or ["x"] * count, torch.tensor(rewards), at_base)


def values(figures):
    return {name: measured[0] for name, measured in figures.items()}


def test_figures_by_hand():
    # against the references: 2 wins, 1 tie, 1 loss; against the base: 1 better, 1 worse, 2 as good
    after, before = answers([1.0, 0.9, 0.5, 0.0]), answers([0.4, 1.0, 0.5, 0.0])
    reference = torch.tensor([0.5, 0.5, 0.5, 0.5])
    figures = values(assess(after, before, reference, resamples=50))
    assert figures == {
        "RAS": 0.5,
        "RAS, ties won": 0.75,
        "NAG": 0.25,
        "NAG, signed": 0.0,
        "reward": pytest.approx(0.6),
        "unscored": 0.0,
        "length": 2.0,
        "repetition": 0.0,
    }
    worse = values(assess(before, after, reference, resamples=50))
    assert worse["RAS"] == 0.25
    better = values(assess(answers([2.0] * 4), before, reference, resamples=50))
    assert (better["NAG"], better["NAG, signed"]) == (1.0, 1.0)
    worst = values(assess(answers([-1.0] * 4), before, reference, resamples=50))
    assert (worst["NAG"], worst["NAG, signed"]) == (0.0, -1.0)


def test_the_base_gains_nothing_on_itself():
    base = answers([0.4, 1.0, NAN])
    figures = assess(base, base, torch.tensor([0.5, 0.5, 0.5]), resamples=50)
    assert figures["NAG"] == figures["NAG, signed"] == (0.0, 0.0, 0.0)


def test_what_could_not_be_scored_is_left_out_and_its_share_told():
    reference = torch.tensor([0.5, 0.5, 0.5, NAN])
    after, before = answers([1.0, NAN, 0.0, 1.0]), answers([0.0, 0.0, NAN, 0.0])
    figures = values(assess(after, before, reference, resamples=50))
    assert figures["RAS"] == 0.5  # of the first and the third, whatever the base answered
    assert figures["reward"] == 0.5
    assert figures["NAG"] == 1.0  # of the first
    assert figures["unscored"] == 0.5
    only = values(assess(answers([1.0, 0.0]), answers([NAN, NAN]), torch.tensor([0.5, 0.5]), resamples=50))
    assert only["RAS"] == 0.5
    assert "NAG" not in only
    with pytest.raises(ValueError, match="no prompt has an answer and a reference that could be scored"):
        assess(answers([NAN, 1.0]), before=answers([0.0, 0.0]), reference=torch.tensor([1.0, NAN]), resamples=50)


def test_repetition_by_hand():
    rows = [[1, 2, 3, 1, 2, 3], [1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6], [7, 7, 7, 7, 7, 7]]
    mask = torch.ones(4, 6, dtype=torch.bool)
    mask[3, 2:] = False  # too short to repeat anything
    # runs 123 231 312 123: one of four; four times 111: three of four
    assert repetition(torch.tensor(rows), mask).tolist() == [0.25, 0.75, 0.0, 0.0]


def test_kl_estimate_is_the_exact_divergence_of_known_policies():
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    exact = (p * (p / q).log()).sum().item()
    drawn = torch.multinomial(p, 4000, replacement=True, generator=torch.Generator().manual_seed(0))
    ids = torch.stack([drawn, drawn], dim=-1)[:, None]  # the second token is no part of the answer
    mask = torch.tensor([True, False]).expand(4000, 1, 2)
    ours = Samples(ids, mask, p.log()[ids])
    after = Answers(ours, [""] * 4000, torch.zeros(4000), q.log()[ids])
    figures = assess(after, after, torch.zeros(4000), resamples=200)
    value, low, high = figures["KL"]
    assert low < exact < high
    assert high - low < 0.08
    assert value == pytest.approx((p.log() - q.log())[drawn].mean().item(), rel=1e-5)
    assert figures["KL per token"][0] == pytest.approx(value)
    backwards = (q * (q / p).log()).sum().item()
    assert not low < backwards < high  # control: the other direction is another number


def test_kl_per_token_weighs_tokens_not_answers():
    after = answers([0.0, 0.0], logprobs=[[-1.0, -1.0], [-1.0, -9.0]], base=[[-2.0, -2.0], [-5.0, -9.0]])
    mask = torch.tensor([[[True, True]], [[True, False]]])
    after = replace(after, samples=replace(after.samples, mask=mask))
    figures = values(assess(after, after, torch.zeros(2), resamples=20))
    assert figures["KL"] == 3.0  # (2 + 4) / 2 answers
    assert figures["KL per token"] == 2.0  # (2 + 4) / 3 tokens


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = torch.Generator().manual_seed(0)
    covered = narrow = 0
    for _ in range(200):
        sample = torch.rand(40, generator=rng)
        value, low, high = bootstrap(lambda v: v.mean().item(), sample, resamples=200)
        assert low < value < high
        covered += low <= 0.5 <= high
        narrow += abs(value - 0.5) <= (high - low) / 8  # control: a quarter of the width covers far less
    assert 0.89 <= covered / 200 <= 0.98
    assert narrow / 200 < 0.6


def test_identical_data_have_no_width_and_one_prompt_no_interval():
    assert bootstrap(lambda v: v.mean().item(), torch.full((9,), 0.25), resamples=50) == (0.25, 0.25, 0.25)
    value, low, high = bootstrap(lambda v: v.mean().item(), torch.tensor([0.25]), resamples=50)
    assert value == 0.25
    assert math.isnan(low)
    assert math.isnan(high)


def test_several_tensors_are_resampled_together():
    x = torch.arange(20.0)
    assert bootstrap(lambda a, b: (a - b).abs().max().item(), x, x, resamples=50) == (0.0, 0.0, 0.0)
