"""DPO and IPO against TRL's DPOTrainer, on pairs that its own tokenisation and collator make."""

import pytest
from datasets import Dataset
from torch import Tensor
from trl import DPOConfig, DPOTrainer

from grao_ref.equations.dpo import dpo_objective, ipo_objective
from grao_ref.equations.logprob import mean_log_likelihood, sum_log_likelihood
from grao_ref.equations.reduce import batch_loss
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

KL_COEF = 0.3
# TRL's name of the loss -> our objective and the log-likelihood of a sequence that it takes
LOSSES = {"sigmoid": (dpo_objective, sum_log_likelihood), "ipo": (ipo_objective, mean_log_likelihood)}
PAIRS = [
    {"prompt": "a b c", "chosen": " d e f g h", "rejected": " i"},
    {"prompt": "j", "chosen": " k l", "rejected": " m n o p"},
    {"prompt": "q a", "chosen": " b", "rejected": " c d e"},
    {"prompt": "b b", "chosen": " a a a a", "rejected": " a"},
]


def make_trainer(checkpoint, tmp_path, loss_type, *, pairs=PAIRS, steps=1, **arguments):
    """The policy has moved away from its frozen reference model, else every margin would be 0."""
    config = DPOConfig(
        **COMMON,
        output_dir=str(tmp_path),
        loss_type=[loss_type],
        beta=KL_COEF,
        per_device_train_batch_size=len(pairs) // steps,
        gradient_accumulation_steps=steps,
        **arguments,
    )
    return DPOTrainer(
        model=load_model(checkpoint, moved_by=0.05),
        ref_model=load_model(checkpoint),
        args=config,
        train_dataset=Dataset.from_list(pairs),
        processing_class=tokenizer(),
    )


def first_batch(trainer) -> dict[str, Tensor]:
    """Chosen answers in the first half of the rows, rejected ones in the second."""
    return dict(next(iter(trainer.get_train_dataloader())))


def our_loss(
    loss_type: str, logprobs: Tensor, ref_logprobs: Tensor, completion_mask: Tensor, likelihood=None
) -> Tensor:
    """The mean loss of the pairs, from token log-probabilities (B, L − 1) whose first half is chosen."""
    objective, default = LOSSES[loss_type]
    mask = completion_mask[:, 1:] != 0
    chosen, rejected = (likelihood or default)(logprobs, mask).chunk(2)
    ref_chosen, ref_rejected = (likelihood or default)(ref_logprobs, mask).chunk(2)
    terms = objective(chosen, rejected, ref_chosen, ref_rejected, kl_coef=KL_COEF)
    return batch_loss(terms, len(terms))


def our_model_loss(loss_type: str, trainer, batch: dict[str, Tensor], likelihood=None) -> Tensor:
    """The same, from the logits of TRL's policy and of its reference model."""
    mask = batch["completion_mask"]
    inputs = batch["input_ids"], batch["attention_mask"], mask != 0
    logprobs, ref_logprobs = model_logprobs(trainer.model, *inputs), model_logprobs(trainer.ref_model, *inputs)
    return our_loss(loss_type, logprobs, ref_logprobs, mask, likelihood)


def recorded_losses(trainer, batch) -> tuple[Tensor, Tensor, Tensor]:
    """TRL's loss on recorded float64 log-probabilities, and these, of the policy and of the reference model."""
    shape = batch["completion_mask"][:, 1:].shape
    logprobs, ref_logprobs = (-noise(shape, seed=seed).abs() for seed in (0, 1))
    logprobs.requires_grad_()
    trainer.ref_model = recorded_model(ref_logprobs)
    return trainer.compute_loss(recorded_model(logprobs), batch), logprobs, ref_logprobs


def test_collated_pairs_are_ragged(checkpoint, tmp_path):
    """TRL ends every answer with <eos>, and counts it; prompts count nothing."""
    mask = first_batch(make_trainer(checkpoint, tmp_path, "sigmoid"))["completion_mask"]
    words = [len(pair[side].split()) + 1 for side in ("chosen", "rejected") for pair in PAIRS]
    assert sorted(mask.sum(dim=1).tolist()) == sorted(words)
    assert mask[:, 0].sum() == 0


@pytest.mark.parametrize("loss_type", LOSSES)
def test_loss_and_gradient_of_recorded_tokens(checkpoint, tmp_path, loss_type):
    trainer = make_trainer(checkpoint, tmp_path, loss_type)
    batch = first_batch(trainer)
    theirs, logprobs, ref_logprobs = recorded_losses(trainer, batch)
    ours = our_loss(loss_type, logprobs, ref_logprobs, batch["completion_mask"])
    assert_exact(ours, theirs, logprobs)

    swapped = our_loss(loss_type, ref_logprobs, logprobs, batch["completion_mask"])  # a control
    assert relative_error(theirs, swapped) > DIFFERENT


@pytest.mark.parametrize("loss_type", LOSSES)
def test_loss_and_gradients_of_the_parameters(checkpoint, tmp_path, loss_type):
    trainer = make_trainer(checkpoint, tmp_path, loss_type)
    batch = first_batch(trainer)
    theirs, ours = trainer.compute_loss(trainer.model, batch), our_model_loss(loss_type, trainer, batch)
    their_gradient = vector_gradient(theirs, trainer.model)
    assert relative_error(theirs, ours) < THROUGH_MODEL
    assert relative_error(their_gradient, vector_gradient(ours, trainer.model)) < THROUGH_MODEL

    # Control: sums and means of the log-probabilities are not interchangeable.
    other = {"sigmoid": mean_log_likelihood, "ipo": sum_log_likelihood}[loss_type]
    wrong = our_model_loss(loss_type, trainer, batch, likelihood=other)
    assert relative_error(theirs, wrong) > DIFFERENT
    assert relative_error(their_gradient, vector_gradient(wrong, trainer.model)) > DIFFERENT


@pytest.mark.parametrize("loss_type", LOSSES)
def test_one_real_optimiser_step(checkpoint, tmp_path, loss_type):
    """Two micro-batches of two pairs, accumulated by TRL's own loop, against the mean over our four pairs."""
    trainer = make_trainer(checkpoint, tmp_path, loss_type, steps=2, max_steps=1, learning_rate=0.0)
    parts, theirs = one_real_step(trainer)
    losses = [our_model_loss(loss_type, trainer, part) for part in parts]  # each the mean over two pairs
    assert len(losses) == 2
    assert relative_error(theirs, vector_gradient(sum(losses) / 2, trainer.model)) < THROUGH_MODEL
    assert relative_error(theirs, vector_gradient(losses[0], trainer.model)) > DIFFERENT  # a control


@pytest.mark.parametrize("loss_type", LOSSES)
def test_difference_ipo_counts_a_first_token_that_nothing_predicts(checkpoint, tmp_path, loss_type):
    """TRL's ipo divides by the unshifted mask. After an empty prompt that counts the answer's first token, which has no
    log-probability: of n tokens, TRL's mean is then (n − 1)/n of ours.

    DPO doesn't divide, and agrees still.
    """
    pairs = [pair | {"prompt": prompt} for pair, prompt in zip(PAIRS, ("a b", "", "", "q"), strict=True)]
    trainer = make_trainer(checkpoint, tmp_path, loss_type, pairs=pairs)
    batch = first_batch(trainer)
    mask = batch["completion_mask"]
    assert mask[:, 0].sum() == 4  # two answers each to two empty prompts
    theirs, logprobs, ref_logprobs = recorded_losses(trainer, batch)
    ours = our_loss(loss_type, logprobs, ref_logprobs, mask)
    if loss_type == "ipo":
        assert relative_error(theirs, ours) > DIFFERENT
        factor = mask[:, 1:].sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).double()
        ours = our_loss(loss_type, logprobs * factor, ref_logprobs * factor, mask)
    assert_exact(ours, theirs, logprobs)
