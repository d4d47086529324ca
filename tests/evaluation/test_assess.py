"""Bootstrap intervals over prompts."""

import math

import torch

from grao_ref.evaluation.assess import bootstrap


def test_the_interval_covers_the_truth_about_as_often_as_it_promises():
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
