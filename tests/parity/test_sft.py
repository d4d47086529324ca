"""SFT against TRL's SFTTrainer: its token mean is ours with `token_count`; eq-1 weighs sequences instead.

The batches are TRL's own: tokenised, ended with <eos>, labelled and padded by it.
"""

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from trl import SFTConfig, SFTTrainer

from grao_ref.equations.logprob import sum_log_likelihood
from grao_ref.equations.reduce import batch_loss, sequence_count, token_count
from grao_ref.equations.sft import sft_objective
from tests.parity.tiny import (
    COMMON,
    DIFFERENT,
    FOREIGN_WARNINGS,
    THROUGH_MODEL,
    assert_exact,
    load_model,
    model_logprobs,
    one_real_step,
    recorded_model,
    relative_error,
    tokenizer,
    vector_gradient,
)
from tests.strategies import noise

pytestmark = FOREIGN_WARNINGS

RAGGED = [
    {"prompt": "a b c", "completion": " d e f g h"},
    {"prompt": "j", "completion": " k l"},
    {"prompt": "q a", "completion": " b c d e f g h i"},
    {"prompt": "b b", "completion": " a"},
]
EQUAL = [row | {"completion": " k l m"} for row in RAGGED]  # equal completions of unequal prompts
WHOLE_TEXTS = [{"text": row["prompt"] + row["completion"]} for row in RAGGED]  # every token is a label, the first too


def make_trainer(checkpoint, tmp_path, rows, *, steps=1, **arguments) -> SFTTrainer:
    config = SFTConfig(
        **COMMON,
        output_dir=str(tmp_path),
        per_device_train_batch_size=len(rows) // steps,
        gradient_accumulation_steps=steps,
        **arguments,
    )
    return SFTTrainer(
        model=load_model(checkpoint),
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
    )


def batches(trainer) -> list[dict[str, Tensor]]:
    return [dict(batch) for batch in trainer.get_train_dataloader()]


def token_mean(logprobs: Tensor, mask: Tensor, whole_batch: Tensor | None = None) -> Tensor:
    """Every token weighs the same: what TRL does."""
    count = token_count(mask if whole_batch is None else whole_batch)
    return batch_loss(sum_log_likelihood(logprobs, mask), count)


def sequence_mean(logprobs: Tensor, mask: Tensor) -> Tensor:
    """Every sequence weighs the same: eq-1."""
    return batch_loss(sft_objective(logprobs, mask), sequence_count(mask))


def our_model_loss(loss, model, batch: dict[str, Tensor]) -> Tensor:
    labelled = batch["labels"] != -100
    logprobs = model_logprobs(model, batch["input_ids"], batch["attention_mask"], labelled)
    return loss(logprobs, labelled[:, 1:])


def recorded(trainer, batch: dict[str, Tensor], num_items: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """TRL's loss on recorded float64 log-probabilities, these, and the mask of the labels."""
    mask = batch["labels"][:, 1:] != -100
    logprobs = (-noise(tuple(mask.shape), seed=0).abs()).requires_grad_()
    theirs = trainer.compute_loss(recorded_model(logprobs), batch, num_items_in_batch=num_items)
    return theirs, logprobs, mask


@pytest.mark.parametrize("rows", [RAGGED, EQUAL, WHOLE_TEXTS], ids=["ragged", "equal", "whole_texts"])
def test_loss_and_gradient_of_recorded_tokens(checkpoint, tmp_path, rows):
    """The token mean in every case; the mean of eq-1 where all sequences are equally long, and (control) only there."""
    trainer = make_trainer(checkpoint, tmp_path, rows)
    (batch,) = batches(trainer)
    theirs, logprobs, mask = recorded(trainer, batch)
    assert_exact(token_mean(logprobs, mask), theirs, logprobs)
    if rows is EQUAL:
        assert_exact(sequence_mean(logprobs, mask), theirs, logprobs)
    else:
        assert relative_error(theirs, sequence_mean(logprobs, mask)) > DIFFERENT


@pytest.mark.parametrize("rows", [RAGGED, WHOLE_TEXTS], ids=["ragged", "whole_texts"])
def test_accumulation(checkpoint, tmp_path, rows):
    """TRL's count for the optimiser step is our count over the whole batch; the micro-batches' losses add up."""
    trainer = make_trainer(checkpoint, tmp_path, rows, steps=2)
    parts = batches(trainer)
    num_items = trainer._get_num_items_in_batch(parts, trainer.args.device)
    masks = [part["labels"][:, 1:] != -100 for part in parts]
    whole_batch = torch.cat([mask.flatten() for mask in masks])
    assert num_items == token_count(whole_batch)
    for part in parts:
        theirs, logprobs, mask = recorded(trainer, part, num_items)
        assert_exact(token_mean(logprobs, mask, whole_batch), theirs, logprobs)
        assert relative_error(theirs, token_mean(logprobs, mask)) > DIFFERENT  # control: the micro-batch's own count


@pytest.mark.parametrize("rows", [RAGGED, EQUAL], ids=["ragged", "equal"])
def test_loss_and_gradients_of_the_parameters(checkpoint, tmp_path, rows):
    """Through the model: TRL's loss is the token mean, and is eq-1's for equal lengths alone."""
    trainer = make_trainer(checkpoint, tmp_path, rows)
    (batch,) = batches(trainer)
    theirs = trainer.compute_loss(trainer.model, dict(batch))
    their_gradient = vector_gradient(theirs, trainer.model)
    for loss, agrees in ((token_mean, True), (sequence_mean, rows is EQUAL)):
        ours = our_model_loss(loss, trainer.model, batch)
        errors = relative_error(theirs, ours), relative_error(their_gradient, vector_gradient(ours, trainer.model))
        assert max(errors) < THROUGH_MODEL if agrees else min(errors) > DIFFERENT


def test_one_real_optimiser_step(checkpoint, tmp_path):
    """Two micro-batches with different token counts, accumulated by TRL's own loop: our whole-batch token mean."""
    trainer = make_trainer(checkpoint, tmp_path, RAGGED, steps=2, max_steps=1, learning_rate=0.0)
    parts, theirs = one_real_step(trainer)
    counts = [int((part["labels"] != -100).sum()) for part in parts]
    assert len(set(counts)) == 2
    means = [our_model_loss(token_mean, trainer.model, part) for part in parts]
    whole_batch = sum(mean * count / sum(counts) for mean, count in zip(means, counts, strict=True))
    assert relative_error(theirs, vector_gradient(whole_batch, trainer.model)) < THROUGH_MODEL
    mean_of_means = sum(means) / len(means)  # the common bug, as a control
    assert relative_error(theirs, vector_gradient(mean_of_means, trainer.model)) > DIFFERENT
