"""Every id has a row, every row comes to the verdict of the committed report, and every check notices its violation.

The controls are the planted violations: a check is refused where its control agrees with it (test_ledger.py), so a
claim that settles at all has had every one of its controls come out the other way. Below, the violations are also
planted into the measurements that are easiest to get wrong.
"""

import re
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from theory import race
from theory.claims import (
    claim_5,
    claim_8,
    claim_11,
    exp_adaptive,
    exp_family,
    exp_rates,
    tables,
    thm_1,
    thm_2,
    thm_3,
    thm_4,
    thm_5,
    thm_6,
    thm_7,
)
from theory.exact import ExactBandit
from theory.family import OBJECTIVES, by_autograd, closed_form, group
from theory.intervals import quantile_interval
from theory.ledger import UNTESTABLE, Run, claims, settle
from theory.report import verdicts_in
from theory.sampled import Seen, ascend, fixed

REPORT = Path(__file__).parents[2] / "theory" / "REPORT.md"
PAPER = {
    *(f"eq-{n}" for n in range(1, 10)),
    *(f"A{n}" for n in range(1, 6)),
    *(f"claim-{n}" for n in range(1, 17)),
    *(f"table-{n}" for n in range(1, 8)),
    *(f"figure-{n}" for n in range(1, 6)),
    *(f"thm-{n}" for n in range(1, 8)),
}


def test_every_id_of_the_paper_and_of_the_theory_has_a_row():
    assert PAPER - set(claims()) == set()
    assert {id for id in set(claims()) - PAPER if not id.startswith("exp-")} == set()


def test_the_committed_report_has_these_rows_and_statements():
    text = REPORT.read_text()
    assert list(verdicts_in(text)) == list(claims())
    for each in claims().values():
        assert each.statement.replace("|", r"\|") in text, f"{each.id}: run make theory ARGS=--accept"
        assert each.argument in text, f"{each.id}: run make theory ARGS=--accept"


def test_the_figures_that_the_report_shows_are_there():
    shown = re.findall(r"!\[[\w-]+\]\((figures/[\w-]+\.png)\)", REPORT.read_text())
    assert {"figures/thm-1.png", "figures/thm-4.png", "figures/thm-6.png", "figures/exp-map.png"} <= set(shown)
    assert [name for name in shown if not (REPORT.parent / name).exists()] == []


@pytest.mark.parametrize("id", claims())
def test_a_smaller_run_comes_to_the_verdict_of_the_committed_report(id):
    row = settle(claims()[id], Run("quick"))
    assert row.verdict == verdicts_in(REPORT.read_text())[id]
    if row.verdict == UNTESTABLE:
        assert len(row.finding.untestable) > 20
    else:
        assert row.claim.argument
        assert row.finding.holds or row.finding.fails


def test_thm_1_by_hand_and_with_a_violation():
    assert thm_1.knob((1.0, 0.5, 0.6), 8) == pytest.approx(0.575 / 1.6)
    assert thm_1.symbolic_rest("outputs") == 0 == thm_1.symbolic_rest("with_reference")
    assert thm_1.symbolic_rest("outputs", factor=2) != 0


def test_thm_2_by_hand():
    assert thm_2.outside(0.001) == pytest.approx(-1154.1, abs=0.1)
    assert thm_2.lone_winner(9) == pytest.approx(sqrt(8))
    for size in (2, 8, 64):
        value, bound = thm_2.largest_weight(size, 0.5, 0.6)
        assert value <= bound
    assert thm_2.largest_weight(8, 0.5, 0.6)[0] > thm_2.largest_weight(8, 0.0, 0.6)[0]


def test_claim_4_by_hand():
    # one sample of two: mean 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4; the largest gap is at the middle jump
    assert thm_2.kolmogorov(0.5, 2) == pytest.approx(0.25)
    # one sample, p = 0.9: just below the jump at 1 the share is 0.1, the normal law's Φ(1/3) = 0.6306
    assert thm_2.kolmogorov(0.9, 1) == pytest.approx(0.5306, abs=1e-4)
    assert thm_2.prescribed(0.5) == 16
    assert thm_2.deviation_off(0.5, 2) == pytest.approx(0.5)  # σ is 0 or 1/2; the true one is 1/2


def test_thm_3_by_hand():
    assert thm_3.dead(0.5, 2, "outputs") == pytest.approx(0.5)
    assert thm_3.dead(0.5, 2, "with_reference") == pytest.approx(0.25)
    assert thm_3.queries(0.5, 2, rescued=False) == pytest.approx(4)


def test_thm_4_the_smallest_case_is_the_smallest_there_is():
    assert thm_4.smallest(0.5, 0.6) == (2, 2)
    with pytest.raises(ValueError, match="no bandit"):
        thm_4.smallest(0.0, 0.0)  # nothing is imitated: nothing stays
    assert thm_4.verdicts(0.5, 0.0) == pytest.approx(0, abs=1e-12)  # as many wins as losses
    assert thm_4.verdicts(0.9, 0.0) < 0 < thm_4.verdicts(0.1, 0.0)


def test_thm_4_spread_over_queries_can_turn_the_sign_only_below_a_win_rate():
    full = (0.5 + 0.6 / 8) * sqrt(8)  # of a group of failures only, or (negative) of successes only
    assert thm_4.heaviest(0.0) == pytest.approx(full)
    assert thm_4.heaviest(1.0) == pytest.approx(-full)
    assert thm_4.heaviest(0.55) > 0 > thm_4.verdicts(0.55, 0.0)  # impossible queries together with easy ones
    assert thm_4.heaviest(0.64) < 0


def test_thm_5_closed_form_by_hand():
    # G = 2: E[σ] = 2 p q / 2, so c = 1 for every p
    assert [thm_5.closed_form(p, 2) for p in (0.1, 0.5, 0.8)] == pytest.approx([1, 1, 1])
    assert thm_5.closed_form(1e-9, 8) == pytest.approx(sqrt(7))
    assert thm_5.closed_form(0.3, 3000) == pytest.approx(1 / sqrt(0.21), rel=1e-3)


def test_thm_6_by_hand_and_in_the_natural_geometry():
    assert float(thm_6.by_hand(*thm_6.HAND)) == pytest.approx(-0.0004887552, abs=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(50):
        rewards, pi = rng.random(4), rng.dirichlet(np.ones(4))
        bandit = ExactBandit(rewards, 0, 4, 0.0, 0.0, "outputs")
        assert thm_6.natural_alignment(bandit, pi) > -1e-12


@pytest.mark.parametrize("size", [2, 5])
def test_thm_6_two_answers_never_lose(size):
    assert thm_6.worst(2, size, (), 6) > 0.999


def test_thm_6_what_it_needs_is_a_middle_reward_near_the_best():
    assert thm_6.worst(3, 2, (0.999,), 5) < -0.05
    assert thm_6.worst(3, 2, (0.5,), 5) > 0
    assert thm_6.worst(3, 2, (0.999,), 5, normalised=False) > 0.999


def test_claim_8_imitating_one_right_answer_takes_from_the_other():
    policies = thm_6.grid(4, 4)
    rewards = np.array([1.0, 1.0, 0.0, 0.0])
    lowest = {
        beta: min(thm_6.alignment(ExactBandit(rewards, 0, 8, beta), pi) for pi in policies) for beta in (0.5, 5.0)
    }
    assert lowest[5.0] < 0 < lowest[0.5]
    assert claim_8.regulariser_alignment(thm_6.NEAR, thm_6.START) < 0


def test_claim_5_imitation_dominates_a_dead_group_above_1_over_g():
    assert claim_5.dominance(1 / 8) == pytest.approx(0.5)
    # Σ w = (1 + λ) Ā + w_y = (β − 1/G) Â_y, largest in a dead group
    assert claim_5.frozen_smoothness(0.5) == pytest.approx((0.5 - 1 / 8) * sqrt(8) / 2)


def test_claim_11_finds_an_aggregate_that_was_used_and_the_exchange_that_mends_the_table():
    assert claim_11.improvement("GRPO", claim_11.RAS[:1], "ratio of means") == pytest.approx(100 * (64.60 / 60.89 - 1))
    middle = (68.01 / 65.61 + 64.60 / 60.89) / 2
    assert claim_11.improvement("GRPO", claim_11.RAS, "median of ratios") == pytest.approx(100 * (middle - 1))
    best, error = min(claim_11.exchanges().items(), key=lambda pair: pair[1])
    assert best == ("PPO", "GRPO", ("harmless", 1, 0))
    assert error < 0.05 < 0.9 < sorted(claim_11.exchanges().values())[1]


def test_tables_by_hand():
    assert tables.base_interval("helpful", 0) == pytest.approx((30.67, 32.02))
    qwen, moonlight = (64.60 - 60.89) / np.hypot(0.5, 0.6), (70.84 - 68.89) / np.hypot(0.4, 0.5)
    assert tables.lead("helpful", "GRAO", False, 0) == pytest.approx(min(qwen, moonlight))
    assert tables.smallest_sample("helpful", 1) == pytest.approx(0.7084 * 0.2916 / 0.004**2)


def test_exp_length_is_even_under_the_sum():
    assert exp_rates.long_wrong_share(4, False, 30) == pytest.approx(0.5, abs=1e-3)
    assert exp_rates.long_wrong_share(4, True, 30) > 0.55


def test_the_map_s_interval_covers_the_quantile_as_often_as_it_says_and_no_shorter_one_does():
    draws = np.random.default_rng(0).geometric(0.1, size=(4000, 200)).astype(float)
    true = 22  # P(X <= 22) = 1 − 0.9^22 = 0.9015, and 0.891 at 21
    low, high = quantile_interval(draws, 0.9, 0.05)
    assert ((low <= true) & (true <= high)).mean() > 0.945
    low, high = quantile_interval(draws, 0.9, 0.5)
    assert ((low <= true) & (true <= high)).mean() < 0.9


def test_the_map_s_interval_by_hand():
    # three runs: P(all three <= q) = 0.729 is more than a quarter, so nothing is known from above
    low, high = quantile_interval(np.array([3.0, 1.0, 2.0]), 0.9, 0.5)
    assert (low, high) == (2, np.inf)


def test_the_map_s_arrivals_by_hand():
    # greedy in one step from a rate this large: V = 1 after it, or the worst answer for ever
    rewards, logits = torch.tensor([[1.0, 0.0]]).repeat(400, 1), torch.zeros(400, 2)
    config = race.runs.settings(method="grpo", learning_rate=50.0, max_steps=5)
    first = race.first_arrivals(rewards, logits, config, 2)
    assert ((first == 1) | first.isinf()).float().mean() > 0.98  # except groups without both, which change nothing
    assert (race.first_arrivals(rewards, logits + torch.tensor([9.0, 0.0]), config, 2) == 0).all()


def test_the_map_s_rates_that_are_given_up_could_not_have_won():
    cells = race.Grid((0.1,), (0.5,), 300, 40)
    kept = race.collected([race._of_row("GRPO", cells.rates[0], cells, 0.01)])
    config = {rate: race.runs.settings(method="grpo", learning_rate=rate, max_steps=40) for rate in race.RATES}
    rewards, logits = (
        torch.tensor([[1.0, 0.5, 0.0]]).repeat(300, 1),
        torch.tensor([[0.1, 0.1, 0.8]]).log().repeat(300, 1),
    )
    whole = [race.first_arrivals(rewards, logits, each, 1).numpy() for each in config.values()]
    assert kept.quantile[0, 0, 0] == min(np.quantile(each, 0.9, method="higher") for each in whole)
    assert kept.median[0, 0, 0] == min(np.median(each) for each in whole)


def test_a_rate_that_is_slow_in_one_cell_is_not_given_up_for_another(monkeypatch):
    # the first rate is best where y is best, at once; the second where y can be beaten: both must be seen to the end
    monkeypatch.setattr(race, "RATES", (6.4, race.ONE_RATE, 0.8))
    cells = race.Grid((0.05,), (0.7, 1.0), 300, 60)
    kept = race.collected([race._of_row("GRAO repaired", cells.rates[0], cells, 0.01)])
    rewards = torch.tensor([[1.0, q, 0.0] for q in cells.qualities]).repeat_interleave(300, 0)
    configs = [race.runs.settings(method="grao", learning_rate=rate, max_steps=60) for rate in race.RATES]
    whole = [race.first_arrivals(rewards, race.rare(0.05, 1, 600), each, 2).view(2, -1).numpy() for each in configs]
    for column in range(2):
        waits = np.stack([each[column] for each in whole])
        low, high = race.quantile_interval(waits, 0.9, 0.01)
        assert kept.quantile[:, 0, column].tolist() == [
            np.quantile(waits, 0.9, axis=-1, method="higher").min(),
            low.min(),
            high.min(),
        ]
        low, high = race.quantile_interval(waits[1], 0.5, 0.01)
        assert kept.one_rate[1:, 0, column].tolist() == [low, high]


def test_runs_end_only_when_the_intervals_are_known():
    assert race.each_miss(race.grid("default")) == pytest.approx(0.05 / (9 * 5 * 11))
    for size in ("quick", "default", "full"):
        cells = race.grid(size)
        n, miss = cells.seeds, race.each_miss(cells)
        waits = np.arange(1.0, n + 1)
        assert race.quantile_interval(waits, race.SHARE, miss)[1] < race.ENOUGH * n
        assert race.quantile_interval(waits, 0.5, miss)[1] < race.MOST * n


def test_the_map_s_control_is_another_draw_and_its_ratio_the_worse_ends():
    found = race.steps_to_goal("quick")
    assert (found[race.CONTROL].quantile != found["GRPO"].quantile).any()
    for of in ("quantile", "median", "one_rate", "adam"):
        one, other = getattr(found["GRAO repaired"], of), getattr(found["GRPO"], of)
        beyond = race.grid("quick").steps + 1
        low, high = race.ratio("GRAO repaired", "quick", of)[1:]
        assert np.array_equal(low, np.maximum(np.minimum(one[1], beyond), 1) / np.maximum(other[2], 1))
        assert np.array_equal(high, np.maximum(one[2], 1) / np.maximum(np.minimum(other[1], beyond), 1))


def test_srft_by_hand():
    # H = 1; two samples, right and wrong; R(y) = 0 in the pool: Â_y = −1/√2, cut where p < 0.8
    for p, w_y in ((0.2, 0.5 / np.e), (0.9, 0.5 / np.e - 0.9 / sqrt(2))):
        w_o, found = by_autograd("SRFT", group([1.0, 0.0], 0.0, p))
        assert w_o.tolist() == pytest.approx([0.1 * np.e / 2, -1 / 2])
        assert float(found) == pytest.approx(w_y)
        assert float(closed_form("SRFT", group([1.0, 0.0], 0.0, p))[1]) == pytest.approx(w_y)


def test_with_more_ways_to_fail_the_start_is_as_rare():
    for failures in (1, 8):
        pi = race.rare(0.05, failures, 3).softmax(-1)
        assert pi[:, :2].flatten().tolist() == pytest.approx([0.05] * 6)
        assert pi[:, 2:].sum(-1).tolist() == pytest.approx([0.9] * 3)


def test_the_map_against_itself_is_one():
    against_itself = race.ratio("GRPO", "quick", against="GRPO")
    assert (against_itself[0] == 1).all()
    assert (against_itself[1] < 1).all()
    assert (against_itself[2] > 1).all()


def test_the_bound_of_claim_3_by_hand():
    # J* − J_1 = 2, η = 1/10, T = 40, L = 3, M² = 5
    assert thm_7.printed_bound(2.0, 0.1, 40, 3.0, 5.0) == pytest.approx(1.0 + 1.5)
    attained, bound = thm_7.quadratic(0.5, 5000)
    assert 0.99 < attained / (bound / 2) < 1


def test_the_map_s_costs_count_sft_s_lessons_and_the_reference():
    assert race.costs("GRPO", np.array(10.0), np.array(0.0))["answers trained on"] == 80
    assert race.costs("GRAO repaired", np.array(10.0), np.array(0.0))["reward queries"] == 90
    staged = race.costs("SFT, then GRPO", np.array(0.0), np.array(30.0))
    assert (staged["samples"], staged["answers trained on"]) == (8, 38)


def test_the_family_by_hand():
    # rewards 1 and 0, R(y) = 1, pooled: Â = (1/√2, −√2), Â_y = 1/√2 (thm-1's example)
    g = group([1.0, 0.0], 1.0, 0.1)
    w_o, w_y = closed_form("LUFFY", g)
    assert w_o.tolist() == pytest.approx([1 / sqrt(2) / 3, -sqrt(2) / 3])
    assert float(w_y) == pytest.approx(1 / sqrt(2) / 4 / 3)  # at p = γ f'(p) p = 1/4
    assert float(closed_form("GRAO printed", g)[1]) == pytest.approx((0.5 + 0.6 / 2) / sqrt(2))
    assert closed_form("DPO", g)[0].tolist() == pytest.approx([0, -0.05])
    assert float(closed_form("CHORD-φ", g)[1]) == pytest.approx(0.3 * 0.1 * 0.9)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_each_of_the_family_is_its_formula_only_at_the_policy_that_sampled(name):
    assert exp_family.error(name, draws=6) < 1e-12
    if name in ("PPO", "GRPO", "LUFFY", "CHORD-μ", "CHORD-φ"):
        assert exp_family.error(name, moved=0.1, draws=6) > 1e-3  # the ratio is in it


def test_who_pushes_a_forgotten_loser_down():
    lost = {name: exp_family.weight_of_loser(name, 1e-9) for name in OBJECTIVES}
    assert [name for name, weight in lost.items() if weight < -1e-3] == ["GRAO printed"]
    assert exp_family.weight_of_loser("LUFFY", 0.1) < -0.05


def test_sampled_ascent_is_the_exact_flow_on_average():
    # one small step: the mean over seeds of V is the exact update's, within four standard errors
    table = exp_adaptive.Table([1.0, 0.7, 0.0], 1, [0.3, 0.3, 0.4])
    bandit = ExactBandit(np.array(table.rewards), 1, 8, 0.36 * 1.6, 0.6, only_when_ahead=True)
    theta = np.log(table.start)
    knob = (0.36 * 1.6 + 0.6 / 8) / 1.6  # β_eff / (1 + λ)
    for rho, right in ((knob, True), (0.0, False)):
        values = ascend(table, fixed(rho), steps=1, seeds=20000, rate=lambda k: 1e-3)[1]
        away = abs(values.mean() - bandit.value(theta + 1e-3 * bandit.update(theta)))
        assert (away < 4 * values.std() / sqrt(20000)) == right


def test_the_rules_let_go_when_the_policy_has_caught_up():
    behind, level = (Seen(A_y=np.array([1.0]), spread=np.array([0.5]), wins=np.array([w])) for w in (0.0, 0.5))
    for rule in (exp_adaptive.until_half, exp_adaptive.until_first):
        assert rule(behind) == fixed(exp_adaptive.RHO)(behind) > 0 == rule(level)
    assert exp_adaptive.by_share(behind) == pytest.approx(fixed(exp_adaptive.RHO)(behind) / 1.5)
    assert exp_adaptive.backwards(level) > exp_adaptive.backwards(behind)


def test_a_rate_is_one_in_the_time_that_has_passed():
    assert exp_rates.exponent(exp_rates.gap_path("gradient", 800, 3.0, 0.6)) > -0.5
    assert exp_rates.exponent(exp_rates.gap_path("gradient", 800)) < -0.9
    powers = np.arange(1, 1001)[:, None] ** np.array([-0.3, -1.2])
    assert exp_rates.exponents(powers).tolist() == pytest.approx([-0.3, -1.2])
