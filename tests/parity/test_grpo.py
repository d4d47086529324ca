"""GRPO's loss and its gradient for every token, against TRL's GRPOTrainer._compute_loss, in float64.

The accumulation over micro-batches is compared as well: TRL is told of its window, we count over the whole batch.
"""

from dataclasses import replace
from itertools import permutations

import pytest

from grao_ref.equations.divergence import k2
from grao_ref.equations.grpo import GRPO_LOSS_TYPES
from tests.parity.grpo_pair import (
    EPSILONS,
    KL,
    make_trainer,
    our_loss,
    our_tokens,
    record,
    trl_loss,
)
from tests.parity.tiny import DIFFERENT, FOREIGN_WARNINGS, assert_exact, relative_error
from tests.strategies import spoil

pytestmark = FOREIGN_WARNINGS

WINDOW = ([0, 1, 2], [3, 4, 5])  # two micro-batches of 15 and 7 tokens
OTHER_WINDOW = ([0, 4, 3], [2, 1, 5])  # the same completions as 8 and 14 tokens


def apart(ours, theirs) -> bool:
    return relative_error(theirs, ours) > DIFFERENT


def accumulated(trainer, batch, window, num_items=22):
    """TRL's loss of one optimiser step."""
    return sum(trl_loss(trainer, batch.rows(rows), num_items) for rows in window)


def test_recorded_ratios_reach_every_branch_of_the_clipping():
    """The inputs cover every case; otherwise the comparisons below would prove less."""
    batch = record()
    ratio = (batch.logprobs - batch.old_logprobs).exp()[batch.mask]
    positive = (batch.advantages[:, None] > 0).expand(batch.mask.shape)[batch.mask]
    low, high = ratio < 1 - EPSILONS["epsilon_low"], ratio > 1 + EPSILONS["epsilon_high"]
    for region in (low, high, ~low & ~high):
        assert (region & positive).sum() >= 2
        assert (region & ~positive).sum() >= 2


@pytest.mark.parametrize("kl", KL)
@pytest.mark.parametrize("loss_type", GRPO_LOSS_TYPES)
def test_loss_and_gradient(checkpoint, tmp_path, loss_type, kl):
    batch = record()
    theirs = trl_loss(make_trainer(checkpoint, tmp_path, loss_type=loss_type, kl=kl), batch)
    assert_exact(our_loss(loss_type, our_tokens(batch, kl), batch.mask), theirs, batch.logprobs)


@pytest.mark.parametrize("loss_type", GRPO_LOSS_TYPES)
def test_on_the_policy_that_sampled(checkpoint, tmp_path, loss_type):
    """TRL keeps no old log-probabilities for the first update. At ratio 1 the two sides of the minimum tie."""
    batch = record()
    batch = replace(batch, old_logprobs=batch.logprobs.detach())
    theirs = trl_loss(make_trainer(checkpoint, tmp_path, loss_type=loss_type), batch, on_policy=True)
    assert_exact(our_loss(loss_type, our_tokens(batch), batch.mask), theirs, batch.logprobs)


@pytest.mark.parametrize(("ours", "theirs"), list(permutations(GRPO_LOSS_TYPES, 2)))
def test_control_other_denominators_do_not_match(checkpoint, tmp_path, ours, theirs):
    """Only dapo and bnpo agree, for they differ in nothing but the split and here is none."""
    batch = record()
    their_loss = trl_loss(make_trainer(checkpoint, tmp_path, loss_type=theirs), batch)
    our = our_loss(ours, our_tokens(batch), batch.mask)
    assert apart(our, their_loss) == ({ours, theirs} != {"dapo", "bnpo"})


def test_control_other_equations_do_not_match(checkpoint, tmp_path):
    """Symmetric or swapped clipping, another estimator, one correction too many: each changes the loss."""
    batch = record()
    theirs = trl_loss(make_trainer(checkpoint, tmp_path, loss_type="dapo", kl="k3"), batch)
    low, high = EPSILONS.values()
    wrong = {
        "symmetric": our_tokens(batch, "k3", epsilons={"epsilon_low": low, "epsilon_high": low}),
        "swapped": our_tokens(batch, "k3", epsilons={"epsilon_low": high, "epsilon_high": low}),
        "k2": our_tokens(batch, "k3", estimator=k2),
        "corrected": our_tokens(batch, "ratio_k3"),
        "no penalty": our_tokens(batch, "no_kl"),
    }
    close = [name for name, tokens in wrong.items() if not apart(our_loss("dapo", tokens, batch.mask), theirs)]
    assert close == []


@pytest.mark.parametrize("window", [WINDOW, OTHER_WINDOW], ids=["15+7", "8+14"])
@pytest.mark.parametrize("loss_type", GRPO_LOSS_TYPES)
def test_accumulation(checkpoint, tmp_path, loss_type, window):
    """Whole-batch denominators for three of them; bnpo counts in each micro-batch and averages, as `counted_over` says.

    TRL divides grpo and dr_grpo by the micro-batch's rows and then by the number of micro-batches, which is the
    whole batch because its micro-batches have equally many rows.
    """
    batch = record()
    trainer = make_trainer(checkpoint, tmp_path, loss_type=loss_type, kl="k3", steps=2)
    theirs = accumulated(trainer, batch, window)
    whole_batch = GRPO_LOSS_TYPES[loss_type].counted_over == "batch"
    parts = [batch.rows(rows) for rows in window]
    ours = sum(
        our_loss(loss_type, our_tokens(part, "k3"), part.mask, batch.mask if whole_batch else None) for part in parts
    )
    assert_exact(ours if whole_batch else ours / len(parts), theirs, batch.logprobs)


def test_control_only_bnpo_depends_on_the_split(checkpoint, tmp_path):
    """The same six completions, split in two ways or not at all."""
    batch = record()
    depends = {}
    for loss_type in GRPO_LOSS_TYPES:
        trainer = make_trainer(checkpoint, tmp_path, loss_type=loss_type, steps=2)
        one, other = (accumulated(trainer, batch, window) for window in (WINDOW, OTHER_WINDOW))
        whole = our_loss(loss_type, our_tokens(batch), batch.mask)
        depends[loss_type] = apart(one, other), apart(one, whole), apart(other, whole)
    everywhere, nowhere = (True,) * 3, (False,) * 3
    assert depends == {"grpo": nowhere, "dapo": nowhere, "bnpo": everywhere, "dr_grpo": nowhere}


def test_difference_dapo_counts_tokens_over_all_that_was_generated(checkpoint, tmp_path):
    """Where TRL generates for several optimiser steps at once, each of them is divided by the *average* step's tokens.

    Here two windows come from one generation of 22 + 30 tokens, so that TRL's loss of the first is 22/26 of ours.
    """
    batch = record()
    trainer = make_trainer(checkpoint, tmp_path, loss_type="dapo", steps=2, steps_per_generation=4)
    theirs = accumulated(trainer, batch, WINDOW, num_items=22 + 30)
    ours = our_loss("dapo", our_tokens(batch), batch.mask)
    assert_exact(ours * 22 / 26, theirs, batch.logprobs)
    assert apart(ours, theirs)


def test_difference_garbage_behind_the_mask(checkpoint, tmp_path):
    """TRL multiplies by the mask, and 0 · NaN is NaN; here masked values are never used."""
    batch = record()
    clean = trl_loss(make_trainer(checkpoint, tmp_path, loss_type="dapo"), batch)
    spoilt = replace(batch, old_logprobs=spoil(batch.old_logprobs, batch.mask))
    assert trl_loss(make_trainer(checkpoint, tmp_path, loss_type="dapo"), spoilt).isnan()
    assert_exact(our_loss("dapo", our_tokens(spoilt), spoilt.mask), clean, batch.logprobs)
