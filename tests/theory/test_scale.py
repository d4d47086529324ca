"""What tables of runs say of rows of the ledger: read off made-up logs whose answer is known, either way."""

import random

import pytest
from scipy import stats

from theory.experiments.plan import table_of
from theory.experiments.readings import welch
from theory.experiments.scale import LEVEL, NEVER, RHO, SWEEP, against_one_top, rows, steps_to

TERMS, MIXTURE = table_of("terms"), table_of("mixture")


def lines(table, height, *, slope=None, share=0.5, spread=0.01, lost=0.0):
    """Synthetic runs: success goes to height(task, method) in a straight line over slope(method) of the run, and stays.

    share: of exploration in the objective. spread(method): of late rewards. lost(method): of the log-likelihood of y.
    """
    last, found = table.steps[-1], []
    for task in table.tasks:
        for method in table.entrants:
            for seed in range(*table.seeds):
                top, noise = height(task, method), random.Random(seed).gauss(0, 0.002)
                ramp = slope(method) * last if slope else last
                curve = {
                    str(step): {
                        table.measure: min(step / ramp, 1) * top + (noise if step else 0),
                        "eval_reference/logp_per_token": -1 - (lost(method) if lost else 0) * step / last + noise,
                    }
                    for step in (0, *table.steps)
                }
                same = random.Random(f"{task} {seed}")
                reward = [same.gauss(0.5, spread(method) if callable(spread) else spread) for _ in range(last)]
                shares = {"exploration": share, "imitation": (1 - share) / 2, "alignment": (1 - share) / 2}
                trained = {f"objective_share/{term}": [value] * last for term, value in shares.items()}
                about = {"task": task, "method": method, "rate": table.rates[0], "seed": seed, "seconds": 1.0}
                found.append(about | {"curve": curve, "trained": {"reward": reward} | trained})
    return found


def of(table, made, name):
    return [row for row in rows(table, made) if row.id == name]


def by_rho(task, method):
    """Success as a function of ρ alone, with one top at 0.36."""
    rho = RHO.get(method, SWEEP.get(method, 0.359))
    return 0.9 - 0.3 * abs(rho - 0.359)


def test_one_number_is_left_where_success_depends_on_it_alone():
    assert {row.verdict for row in of(TERMS, lines(TERMS, by_rho), "thm-1")} == {"yes"}


def test_one_number_is_not_left_where_the_weight_of_alignment_counts():
    made = lines(TERMS, lambda task, method: 0.5 if method == "ρ 0.36, λ 2" else by_rho(task, method))
    assert {row.verdict for row in of(TERMS, made, "thm-1")} == {"no"}


def test_nothing_is_known_of_it_where_everything_ends_alike():
    assert {row.verdict for row in of(TERMS, lines(TERMS, lambda task, method: 0.7), "thm-1")} == {"open"}


def test_the_ablation_is_the_papers_where_the_whole_is_best():
    assert {row.verdict for row in of(TERMS, lines(TERMS, by_rho), "table-3")} == {"yes"}
    turned = lines(TERMS, lambda task, method: 1 - by_rho(task, method))
    assert {row.verdict for row in of(TERMS, turned, "table-3")} == {"no"}


@pytest.mark.parametrize(("share", "verdict"), [(0.3, "yes"), (0.9, "no")])
def test_half_the_steps_are_half_of_grpo_s(share, verdict):
    """GRPO's line needs the whole run, GRAO's a share of it."""
    made = lines(TERMS, lambda task, method: 0.9, slope=lambda method: 1.0 if method == "GRPO" else share)
    assert {row.verdict for row in of(TERMS, made, "claim-12")} == {verdict}


def test_the_step_of_a_level_lies_between_evaluations():
    line = {"curve": {"0": {TERMS.measure: 0.0}, "10": {TERMS.measure: 0.4}, "20": {TERMS.measure: 0.8}}}
    assert steps_to(TERMS, line, LEVEL) == pytest.approx(12.5)
    assert steps_to(TERMS, line, 0.9) == NEVER
    assert steps_to(TERMS, {"curve": {"0": {TERMS.measure: 0.7}}}, LEVEL) == 1


@pytest.mark.parametrize(("noisy", "verdict"), [("GRPO", "yes"), ("printed", "no"), ("nobody", "open")])
def test_the_method_whose_reward_varies_is_found(noisy, verdict):
    made = lines(TERMS, by_rho, spread=lambda method: 0.1 if method == noisy else 0.02)
    assert {row.verdict for row in of(TERMS, made, "claim-13")} == {verdict}


@pytest.mark.parametrize(("lost", "verdict"), [("printed", "yes"), ("GRPO", "no"), ("nobody", "open")])
def test_the_objective_that_unlearns_its_references_is_found(lost, verdict):
    made = lines(TERMS, by_rho, lost=lambda method: 0.5 if method == lost else 0.1)
    found = of(TERMS, made, "thm-4")
    assert [(row.task, row.verdict) for row in found] == [("beatable", verdict)]


def test_shares_are_those_of_the_printed_run():
    assert {row.verdict for row in of(TERMS, lines(TERMS, by_rho, share=0.56), "claim-15")} == {"no"}  # at first, too
    made = lines(TERMS, by_rho, share=0.56)
    for line in made:
        for term, value in (("exploration", 0.1), ("imitation", 0.6), ("alignment", 0.3)):
            line["trained"][f"objective_share/{term}"][:20] = [value] * 20
    assert {row.verdict for row in of(TERMS, made, "claim-15")} == {"yes"}
    assert "90 % of the objective" in of(TERMS, made, "claim-15")[0].words


@pytest.mark.parametrize(("more", "verdict"), [(0.1, "yes"), (-0.1, "no"), (0.0, "open")])
def test_what_a_mixture_gains_is_compared_with_what_a_dense_model_gains(more, verdict):
    made = lines(MIXTURE, lambda task, method: 0.6 + (more if "mixture" in task and "GRAO" in method else 0))
    found = of(MIXTURE, made, "claim-16")
    assert len(found) == 8
    assert {row.verdict for row in found} == {verdict}


def test_a_table_with_missing_runs_says_nothing():
    made = lines(TERMS, by_rho)
    assert {row.task for row in rows(TERMS, made)} == {"beatable", "best"}
    assert {row.task for row in rows(TERMS, made[:-1])} == {"beatable"}
    assert (
        len(rows(MIXTURE, lines(MIXTURE, lambda task, method: 0.5)[:-1])) == 6
    )  # of four kinds of task one lacks a run
    assert rows(table_of("knobs"), []) == []


def test_welch_is_scipy_s():
    one, other = [0.1, 0.4, 0.2, 0.6], [0.3, 0.1, 0.15, 0.05]
    found, theirs = welch(one, other), stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((theirs.low, theirs.high))


def test_one_top_is_told_from_two():
    assert against_one_top([0.1, 0.5, 0.9, 0.4]) == 0
    assert against_one_top([0.5, 0.1, 0.9, 0.4]) == pytest.approx(0.4)
    assert against_one_top([0.9, 0.2, 0.8]) == pytest.approx(0.6)
