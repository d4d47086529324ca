"""What a policy makes of the answers that held-out rows have: against a second computation in plain Python."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from grao_ref.evaluation.answers import pairs_of
from grao_ref.evaluation.own_answers import OwnAnswers
from grao_ref.methods.interface import Method, Needs, Terms
from grao_ref.methods.registry import METHODS, register
from grao_ref.records import take
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from tests.language import pairs, save_model, save_rows

IPO = "tests.extensions.ipo.IPO"


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    rows = [
        row if n % 2 else row | {"chosen": row["rejected"], "rejected": row["chosen"]}
        for n, row in enumerate(pairs(30))
    ]
    return save_model(folder), save_rows(folder / "pairs.jsonl", rows)


def moved(names, method, **settings):
    """A setup whose policy has moved away from where its evaluation began, and a copy of it from before."""
    model, data = names
    config = Config(
        model_name_or_path=model, dataset_name=data, method=method, per_device_train_batch_size=4, test_size=0.2,
        num_generations=2, **({"reward_funcs": ("exact",)} if method == "grao" else {}), **settings,
    )  # fmt: skip
    setup = prepare(config)
    before = copy.deepcopy(setup.policy.model)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in setup.policy.model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=rng)
    return setup, before


@torch.no_grad()
def token_logliks(model, prompt, answer):
    """log π of each token of an answer, one softmax at a time."""
    found, ids = [], list(prompt)
    for token in answer:
        logits = model(torch.tensor([ids])).logits[0, -1].double().tolist()
        top = max(logits)
        found.append(logits[token] - top - math.log(sum(math.exp(logit - top) for logit in logits)))
        ids.append(token)
    return found


def by_hand(setup, before):
    """Of each held-out row: Σ log π of both answers, after and before, and the mean of y's."""
    rows = []
    for example in setup.evaluation.held_out.task.examples:
        answers = example.reference, example.rejected
        now, then = ([token_logliks(m, example.prompt, a) for a in answers] for m in (setup.policy.model, before))
        rows.append((*map(sum, now), *map(sum, then), sum(now[0]) / len(now[0])))
    return rows


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_dpo_s_metrics_are_those_of_plain_python(names):
    setup, before = moved(names, "dpo", beta=0.3)
    rows, metrics = by_hand(setup, before), setup.evaluation.own.metrics()
    margins = [0.3 * ((w - w0) - (r - r0)) for w, r, w0, r0, _ in rows]
    assert len(margins) == 6
    expected = {
        "loss": mean(math.log(1 + math.exp(-margin)) for margin in margins),
        "rewards/margins": mean(margins),
        "rewards/accuracies": mean(margin > 0 for margin in margins),
        "rewards/chosen": mean(0.3 * (w - w0) for w, _, w0, _, _ in rows),
        "rewards/rejected": mean(0.3 * (r - r0) for _, r, _, r0, _ in rows),
        "logps/chosen": mean(row[0] for row in rows),
        "logps/rejected": mean(row[1] for row in rows),
        "reference/logp_per_token": mean(row[4] for row in rows),
    }
    assert metrics == {name: pytest.approx(value, abs=1e-4) for name, value in expected.items()}
    assert 0 < metrics["rewards/accuracies"] < 1  # control: some pairs are told apart and some are not


def test_before_the_first_step_no_pair_is_told_apart(names):
    setup, before = moved(names, "dpo")
    setup.policy.model.load_state_dict(before.state_dict())
    metrics = setup.evaluation.own.metrics()
    assert metrics["rewards/margins"] == metrics["rewards/accuracies"] == 0
    assert metrics["loss"] == pytest.approx(math.log(2))


def test_a_user_s_method_that_logs_nothing_has_accuracy_and_margin_too(names):
    setup, before = moved(names, IPO)
    rows, metrics = by_hand(setup, before), setup.evaluation.own.metrics()
    margins = [0.5 * ((w - w0) - (r - r0)) for w, r, w0, r0, _ in rows]  # of whole answers: DPO's implicit reward
    assert metrics["rewards/margins"] == pytest.approx(mean(margins), abs=1e-4)
    assert metrics["rewards/accuracies"] == mean(margin > 0 for margin in margins)
    lengths = [(len(example.reference), len(example.rejected)) for example in setup.evaluation.held_out.task.examples]
    deltas = [(w - w0) / n - (r - r0) / m for (w, r, w0, r0, _), (n, m) in zip(rows, lengths, strict=True)]
    assert metrics["loss"] == pytest.approx(mean((delta - 1) ** 2 for delta in deltas), abs=1e-4)  # its own objective
    assert "logps/chosen" not in metrics  # control: that one is DPO's own


def test_sft_is_judged_by_its_own_objective_and_a_method_that_samples_by_the_likelihood_alone(names):
    setup, before = moved(names, "sft")
    rows = by_hand(setup, before)
    loglik = pytest.approx(mean(row[4] for row in rows), abs=1e-4)
    loss = pytest.approx(-mean(row[4] for row in rows), abs=1e-4)
    assert setup.evaluation.own.metrics() == {"reference/logp_per_token": loglik, "loss": loss}
    setup, _ = moved(names, "grao")
    assert setup.evaluation.own.metrics() == {"reference/logp_per_token": loglik}


def test_likelihoods_are_at_temperature_1_and_the_objective_is_at_the_sampler_s_where_that_is_trained(names):
    setup, _ = moved(names, "sft", temperature=0.5, temper_likelihoods=True)
    plain, _ = moved(names, "sft")
    hot, cold = setup.evaluation.own.metrics(), plain.evaluation.own.metrics()
    assert hot["reference/logp_per_token"] == pytest.approx(cold["reference/logp_per_token"], abs=1e-5)
    assert abs(hot["loss"] - cold["loss"]) > 0.1


def test_the_loss_of_the_rows_does_not_depend_on_how_many_are_evaluated_at_once(names):
    """A denominator that counts tokens is counted over all of them."""

    def objective(logprobs, batch, config):
        return Terms(logprobs.references.sum(-1))

    def tokens(batch, config):
        return int(batch.references.mask.sum())

    per_token = Method(
        name="per_token", needs=lambda config: Needs(references=True), objective=objective, denominator=tokens
    )
    register(per_token)
    try:
        setup, before = moved(names, "per_token")
        own = setup.evaluation.own
        losses = [
            OwnAnswers(own.batch, own.policy, replace(own.config, per_device_train_batch_size=size)).metrics()["loss"]
            for size in (1, 4, 6)
        ]
        rows = by_hand(setup, before)
        count = sum(len(example.reference) for example in setup.evaluation.held_out.task.examples)
        assert losses == pytest.approx([-sum(row[0] for row in rows) / count] * 3, abs=1e-4)
    finally:
        del METHODS["per_token"]


def test_a_tie_of_a_pair_is_no_hit_for_a_method_of_one_s_own_too(names):
    config = {"model_name_or_path": names[0], "dataset_name": names[1], "test_size": 0.2}
    measured = prepare(Config(method=IPO, per_device_train_batch_size=4, **config)).evaluation.own.metrics()
    assert measured["rewards/margins"] == measured["rewards/accuracies"] == 0


def test_the_references_likelihood_is_a_mean_over_the_rows_that_have_one(names):
    own = moved(names, "grao")[0].evaluation.own
    whole, kept = own.metrics(), own.batch.references
    mask = kept.mask.clone()
    mask[1:] = False
    own.batch = replace(own.batch, references=replace(kept, mask=mask))
    alone = own.metrics()["reference/logp_per_token"]
    own.batch = take(replace(own.batch, references=kept), slice(0, 1))
    assert alone == pytest.approx(own.metrics()["reference/logp_per_token"], rel=1e-5)
    assert alone != pytest.approx(whole["reference/logp_per_token"], rel=1e-3)


# The pairs of an evaluation after training


@pytest.mark.parametrize("size", [1, 4, 100])
def test_pairs_are_those_of_one_softmax_at_a_time_however_they_are_split(names, size):
    setup, before = moved(names, "grao", temperature=0.5)  # what rows come with is judged at temperature 1
    held_out = setup.evaluation.held_out
    pairs, rows = pairs_of(setup.policy, held_out, size=size), by_hand(setup, before)
    lengths = [(len(example.reference), len(example.rejected)) for example in held_out.task.examples]
    assert len(set(lengths)) > 1
    by_token = [
        [total / count for total, count in zip(row, of, strict=False)] for row, of in zip(rows, lengths, strict=True)
    ]
    assert torch.stack([pairs.chosen, pairs.rejected], dim=-1).tolist() == [
        pytest.approx(r, abs=1e-4) for r in by_token
    ]


def test_rows_without_a_rejected_answer_have_no_pairs(names):
    setup = moved(names, "grao")[0]
    held_out = setup.evaluation.held_out
    assert pairs_of(setup.policy, held_out, size=4) is not None
    without = replace(held_out, batch=replace(held_out.batch, rejected=None))
    assert pairs_of(setup.policy, without, size=4) is None
