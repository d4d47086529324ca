"""The runs of the laboratory: several learning rates at once are what each would be by itself."""

import pytest
import torch

from theory import runs

RATES = (1.2, 0.3, 4.8)
REWARDS, LOGITS = runs.start(torch.tensor([1.0, 0.6, 0.0]), [0.1, 0.2, 0.7], 40)


def config(**changes):
    return runs.settings(max_steps=12, learning_rate=1.0, **changes)


def by_itself(rate, **changes):
    return runs.after(REWARDS, 1, LOGITS, runs.settings(max_steps=12, learning_rate=rate, **changes))


@pytest.mark.parametrize("method", ["sft", "dpo", "ppo", "grpo", "grao"])
def test_a_block_is_the_run_at_its_rate_and_no_other(method):
    *_, last = runs.run_at(RATES, REWARDS, 1, LOGITS, config(method=method))
    for block, rate in zip(last.theta.view(3, 40, 3), RATES, strict=True):
        assert torch.equal(block, by_itself(rate, method=method))  # to the last bit: each is 0.3 times a power of two
    assert not torch.allclose(last.theta[:40], by_itself(1.21, method=method), rtol=0, atol=1e-4)  # control
    values = runs.last_values(RATES, REWARDS, 1, LOGITS, config(method=method))
    assert torch.equal(values.flatten(), last.value)


def test_a_block_that_is_stopped_stays_and_the_others_go_on_as_before():
    going, tables = torch.ones(3, dtype=torch.bool), []
    for step in runs.run_at(RATES, REWARDS, 1, LOGITS, config(), going):
        tables.append(step.theta.view(3, 40, 3))
        if step.step == 5:
            going[1] = False
    assert torch.equal(tables[5][1], tables[12][1])
    assert not torch.equal(tables[4][1], tables[5][1])  # control
    for block in (0, 2):
        assert torch.equal(tables[12][block], by_itself(RATES[block]))


def test_each_row_keeps_its_own_rewards():
    rewards = torch.tensor([[1.0, 0.6, 0.0], [0.0, 0.6, 1.0]]).double().repeat_interleave(20, 0)
    *_, last = runs.run_at((0.3, 1.0), rewards, 1, LOGITS, config(method="grpo"))
    alone = runs.after(rewards, 1, LOGITS, runs.settings(max_steps=12, learning_rate=1.0, method="grpo"))
    assert torch.allclose(last.theta[40:], alone, rtol=0, atol=1e-12)


def test_adam_which_does_not_feel_the_rate_is_refused():
    with pytest.raises(ValueError, match="several learning rates at once are for plain steps, optimizer sgd, got adam"):
        next(runs.run_at(RATES, REWARDS, 1, LOGITS, config(optimizer="adam")))
