"""Every metric of an evaluation, by hand and against known policies."""

from dataclasses import replace

import pytest
import torch

from grao_ref.evaluation.assess import assess
from grao_ref.evaluation.metrics import BUILT_IN, METRICS, Answers, Pairs, repetition
from grao_ref.records import Samples
from tests.evaluation.answers import answers, comparison


def values(after, before, reference, resamples=50):
    measured = assess(comparison(after, before, reference), resamples=resamples)
    return {name: value for name, (value, _, _) in measured.items()}


def test_metrics_by_hand():
    # against the references: 2 wins, 1 tie, 1 loss; against the base: 1 better, 1 worse, 2 as good
    after, before = answers([1.0, 0.9, 0.5, 0.0]), answers([0.4, 1.0, 0.5, 0.0])
    reference = [0.5, 0.5, 0.5, 0.5]
    assert values(after, before, reference) == {
        "RAS": 0.5,
        "RAS, ties won": 0.75,
        "NAG": 0.25,
        "NAG, signed": 0.0,
        "reward": pytest.approx(0.6),
        "unscored": 0.0,
        "length": 2.0,
        "repetition": 0.0,
    }
    worse = values(before, after, reference)
    assert worse["RAS"] == 0.25
    better = values(answers([2.0] * 4), before, reference)
    assert (better["NAG"], better["NAG, signed"]) == (1.0, 1.0)
    worst = values(answers([-1.0] * 4), before, reference)
    assert (worst["NAG"], worst["NAG, signed"]) == (0.0, -1.0)


def test_the_base_gains_nothing_on_itself():
    base = answers([0.4, 1.0, None])
    measured = assess(comparison(base, base, [0.5, 0.5, 0.5]), resamples=50)
    assert measured["NAG"] == measured["NAG, signed"] == (0.0, 0.0, 0.0)


def test_what_could_not_be_scored_is_left_out_and_its_share_told():
    reference = [0.5, 0.5, 0.5, None]
    after, before = answers([1.0, None, 0.0, 1.0]), answers([0.0, 0.0, None, 0.0])
    metrics = values(after, before, reference)
    assert metrics["RAS"] == 0.5  # of the first and the third, whether the base's answer could be scored or not
    assert metrics["reward"] == 0.5
    assert metrics["NAG"] == 1.0  # of the first
    assert metrics["unscored"] == 0.5
    assert metrics["length"] == 2.0  # of every answer, scored or not
    only = values(answers([1.0, 0.0]), answers([None, None]), [0.5, 0.5])
    assert only["RAS"] == 0.5
    assert "NAG" not in only
    with pytest.raises(ValueError, match="no prompt has an answer and a reference that could be scored"):
        assess(comparison(answers([None, 1.0]), answers([0.0, 0.0]), [1.0, None]), resamples=50)


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
    after = Answers(ours, [""] * 4000, torch.zeros(4000), torch.ones(4000, dtype=torch.bool), q.log()[ids])
    measured = assess(comparison(after, after, [0.0] * 4000), resamples=200)
    value, low, high = measured["KL"]
    assert low < exact < high
    assert high - low < 0.08
    assert value == pytest.approx((p.log() - q.log())[drawn].mean().item(), rel=1e-5)
    assert measured["KL per token"][0] == pytest.approx(value)
    backwards = (q * (q / p).log()).sum().item()
    assert not low < backwards < high  # control: the other direction is another number


def test_kl_per_token_weighs_tokens_not_answers():
    after = answers([0.0, 0.0], logprobs=[[-1.0, -1.0], [-1.0, -9.0]], base=[[-2.0, -2.0], [-5.0, -9.0]])
    mask = torch.tensor([[[True, True]], [[True, False]]])
    after = replace(after, samples=replace(after.samples, mask=mask))
    metrics = values(after, after, [0.0, 0.0], resamples=20)
    assert metrics["KL"] == 3.0  # (2 + 4) / 2 answers
    assert metrics["KL per token"] == 2.0  # (2 + 4) / 3 tokens


def test_a_greedy_answer_has_no_kl():
    metrics = values(answers([0.0, 1.0]), answers([0.0, 1.0]), [0.0, 0.0])
    assert not any(name.startswith("KL") for name in metrics)


def test_pairs_by_hand():
    base = Pairs(torch.tensor([-2.0, -1.0, -3.0]), torch.tensor([-2.0, -2.0, -0.5]))
    now = Pairs(torch.tensor([-2.0, -0.75, -3.0]), torch.tensor([-2.0, -2.0, -1.5]))
    before, after = replace(answers([0.0] * 3), pairs=base), replace(answers([0.0] * 3), pairs=now, base_pairs=base)
    measured = assess(comparison(before, before, [0.0] * 3), resamples=50)
    assert measured["chosen likelier"][0] == pytest.approx(1.5 / 3)  # a tie; ahead; behind
    assert "chosen gained" not in measured  # the base has gained nothing
    measured = assess(comparison(after, before, [0.0] * 3), resamples=50)
    assert measured["chosen gained"][0] == pytest.approx(2.5 / 3)  # a tie; +0.25 against 0; 0 against −1
    assert not {"chosen likelier", "chosen gained"} & set(values(answers([0.0]), answers([0.0]), [0.0]))


def test_every_metric_has_a_unit_that_tables_know_and_a_meaning_of_its_own():
    assert {metric.unit for metric in BUILT_IN} == {"%", "", "tokens", "nats"}
    assert len({metric.meaning for metric in BUILT_IN}) == len(BUILT_IN) == len(METRICS)


def test_answers_to_prompts_without_references_are_compared_with_the_base_s_and_have_no_ras():
    after, before, nobody = answers([1.0, 0.0, None]), answers([0.0, 0.0, 0.0]), [None, None, None]
    metrics = values(after, before, nobody)
    assert not {"RAS", "RAS, ties won"} & set(metrics)
    assert (metrics["reward"], metrics["NAG"], metrics["NAG, signed"]) == (0.5, 0.5, 0.5)
    assert metrics["unscored"] == pytest.approx(1 / 3)
    assert "RAS" in values(after, before, [0.5, None, None])  # control: with a reference that could be scored
    with pytest.raises(ValueError, match="no prompt has an answer that could be scored"):
        assess(comparison(answers([None]), answers([None]), [None]), resamples=50)
