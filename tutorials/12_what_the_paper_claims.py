# %% [markdown]
# # What the paper claims, and what holds
#
# The *ledger* checks what the paper says by computation, one row for each statement. How a claim becomes a verdict, why
# every check has a control, and what the results are.
#
# You need tutorials 1 (the objective), 2 (the policy gradient), 4 (the bandit) and 6 (the collapse, the ablation). The
# command `python -m theory` computes the ledger. Its report, with every argument and every number, is
# `theory/REPORT.md`; `make theory` fails if the two differ. The labels are the report's headings: claim-4 is a claim of
# the paper, thm-6 a theorem of this project, exp-family an experiment.

# %%
import html
import textwrap
from collections import Counter
from dataclasses import replace

import numpy as np
import torch

from grao_ref import grao_objective, group_advantages, likelihood_weights
from theory.claims.claim_4 import prescribed
from theory.claims.claim_11 import RAS, exchanges, improvement, rounding
from theory.claims.thm_6 import HAND, by_hand, flow
from theory.exact import ExactBandit
from theory.ledger import VERDICTS, Check, Finding, Run, claims, select, settle
from theory.paper_tables import ABSTRACT, METHODS, MODELS, PRINTED_CHANGE, TABLES
from theory.recomputed import relative
from theory.report import verdicts_in
from tutorials import style
from tutorials.sources import HERE

torch.set_default_dtype(torch.float64)  # so that all printed digits agree

# %% [markdown]
# ## A measurement, a limit, a control
#
# A claim such as "the three terms are two" (thm-1) is checked by measuring something and comparing it with a limit.
# Here we measure by how much eq-3 as printed differs from its collapsed form on random numbers. It should be a rounding
# error only.

# %%
dice = torch.Generator().manual_seed(0)  # random generator
rewards, J = torch.rand(2, 8, generator=dice)
reference_reward, J_y = torch.rand(2, generator=dice)
A, A_y = group_advantages(rewards, reference_reward)
literal = grao_objective(J, J_y, A, A_y, beta=0.5, lam=0.6).total

w, w_y = likelihood_weights(A, A_y, beta=0.5, lam=0.6)
difference = (literal - (w @ J + w_y * J_y)).abs().item()
print(f"literal − collapsed: {difference:.0e}")

# %% [markdown]
# But a small number alone proves little. The difference might be small because the test is wrong: it may use a wrong
# variable, or too wide a tolerance. So each check makes the same measurement a second time, in a case where the result
# *must* be the opposite. This is its *control*. Here it is a *planted violation*: a collapsed form with λ doubled.

# %%
w_bad, w_y_bad = likelihood_weights(A, A_y, beta=0.5, lam=1.2)
planted = (literal - (w_bad @ J + w_y_bad * J_y)).abs().item()
check = Check(
    what="|literal − collapsed|",
    measured=difference,
    test="<",
    limit=1e-12,
    control="λ doubled in one",
    control_measured=planted,
)
print(f"with the violation planted: {planted:.0e}")
print("the check passes:", check.passed)

# %% [markdown]
# Now we take a limit that is much too wide: 10 instead of 10⁻¹². The measurement still passes, but so does the
# violation. Such a check is *void*, and raises an error.

# %%
try:
    replace(check, limit=10)
    refusal = ""
except ValueError as error:
    refusal = str(error)
print(textwrap.fill(refusal, 36))

# %% [markdown]
# ## From checks to a verdict
#
# A verdict is computed, not written by hand. A row lists checks where the claim was found to **hold**, and checks that
# are **counterexamples**. The checks that pass decide:
#
# | found to hold | a counterexample | verdict |
# | :--- | :--- | :--- |
# | yes | no | holds |
# | yes | yes | holds under conditions |
# | no | yes | fails |
#
# If no check of either kind passes, there is no verdict, and the ledger stops with an error. A claim that needs the
# paper's models or judges gets "cannot be tested here".

# %%
examples = {
    "support": Finding("", holds=[check]),
    "both": Finding("", holds=[check], fails=[check]),
    "counterexample": Finding("", fails=[check]),
}
for name, finding in examples.items():
    print(f"{name:15}{finding.verdict()}")

# %% [markdown]
# The words have an exact meaning. *Fails* means that the sentence as printed has a counterexample, not that the method
# is bad. *Holds* means that the claim was proved, or that it was true in every case that was tested; the row says
# which.
#
# ## Eight rows, computed now
#
# These rows are small enough to compute here (`size="quick"`: smaller grids than the report's).

# %%
chosen = ["eq-7", "claim-4", "claim-6", "claim-9", "claim-11", "claim-14", "table-3", "thm-6"]  # fmt: skip
print("id       verdict                s")
rows = {claim.id: settle(claim, Run("quick")) for claim in select(chosen)}
for name, row in rows.items():
    print(f"{name:9}{row.verdict:23}{row.seconds:.1f}")


# %% tags=["picture"]
def draw_rows(rows):
    """Every row with its statement, its note, and its checks beside their controls."""
    parts = []
    for row in rows:
        checks = "".join(
            f"<li>{kind}: {html.escape(each.what)} = {each.measured:.3g} "
            f"({html.escape(each.test)} {each.limit:g})<br><small>control: {html.escape(each.control)}: "
            f"{each.control_measured:.3g}</small></li>"
            for kind, all_of_them in (
                ("holds", row.finding.holds),
                ("counterexample", row.finding.fails),
            )
            for each in all_of_them
        )
        parts.append(
            f"<details><summary><b>{row.claim.id}</b> {html.escape(row.claim.statement)} "
            f"<b>{row.verdict}</b></summary><p>{html.escape(row.finding.note)}</p><ul>{checks}</ul></details>"
        )
    style.present("".join(parts), "the rows that were computed, one by one")


draw_rows(rows.values())

# %% [markdown]
# Open a few: each check is followed by its control. Every check passes and its control fails.
#
# ## A claim that fails: how large must a group be? (claim-4)
#
# The convergence proof assumes that advantages are bounded by a constant $C_A$ that does not depend on $G$ (A4). The
# paper says that this follows from the theorem of Berry and Esseen, if
#
# $$ G \ge \max(5,\ 4 R_{max}^2 / \sigma_r^2) $$
#
# Take rewards 0 and 1 with success rate $p$, so that $\sigma_r^2 = p (1 - p)$. If success is rare, this prescribes
# large groups. The largest possible advantage is that of a sample which is the *only* one to succeed.

# %%
rates = [0.5, 0.3, 0.1, 0.03, 0.01, 0.003]
sizes = [prescribed(p) for p in rates]
largest = []
print("p         G  max. Â  share of groups")
for p, size in zip(rates, sizes, strict=True):
    group = torch.zeros(size)
    group[0] = 1  # one success
    alone, _ = group_advantages(group, torch.tensor(0.0), pool="outputs")
    chance = size * p * (1 - p) ** (size - 1)  # of exactly one success
    largest.append(alone[0].item())
    print(f"{p:<6}{size:5}{largest[-1]:8.1f}  {chance:.1%}")

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=2.9)
axes.plot(rates, largest, marker="o", color=style.BLUE, label="at the prescribed G")
axes.axhline(
    2, color=style.GREY, linestyle="--", label="at G = 5, the smallest allowed"
)
axes.set(
    xscale="log",
    yscale="log",
    xlabel="success rate p",
    ylabel="largest advantage, in σ",
)
axes.set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
axes.minorticks_off()
axes.set_xticks([0.003, 0.01, 0.1, 0.5], ["0.003", "0.01", "0.1", "0.5"])
axes.legend(loc="upper right")
style.show(
    drawn,
    "The largest advantage of a group of the size that claim-4 prescribes. Exact; no sampling.",
    alt="A line rising from 4 at p = 0.5 to 37 at p = 0.003, above a level line at 2.",
)

# %% [markdown]
# The prescription makes the bound worse: the largest advantage is √(G − 1) (thm-2), so it grows with the group. At the
# prescribed size, where success is rare, it is not a rare case: it happens in one group of fourteen. The theorem of
# Berry and Esseen is about the distribution of a *mean*, not about the largest of the terms. So the claim uses a true
# theorem that does not apply.
#
# ## A claim that an example breaks: "ensures policy improvement" (claim-8, thm-6)
#
# Take three answers with rewards 1, 0.99 and 0, and a policy with probabilities 0.2, 0.76 and 0.04. Does a step of GRPO
# with $G = 2$, averaged over all groups that it could sample, improve the expected reward? On paper:
#
# - expected reward: V = 0.2·1 + 0.76·0.99 = 0.9524
# - in a group of two, the better answer has Â = 1 and the worse −1; equal answers have 0. So the average advantage of
#   an answer is P(the other is worse) − P(the other is better): 0.76 + 0.04 = 0.8 for the best, 0.04 − 0.2 = −0.16 for
#   the middle one, and −0.96 for the worst
# - its logit is pushed by π times that: 0.16, −0.1216, −0.0384
# - the reward's slope along each logit is π·(R − V): 0.00952, 0.028576, −0.038096
# - push times slope, added up: 0.00152 − 0.00347 + 0.00146 = −0.00049
#
# Less than 0: this step *lowers* the expected reward. (Tutorial 2 shows that dividing by $\sigma$ turns the step away
# from the gradient; here it turns it by more than a right angle.)

# %%
pi, three = (np.array(each, dtype=float) for each in HAND)
bandit = ExactBandit(
    three, 0, group_size=2, beta=0, lam=0, pool="outputs"
)  # GRPO's step
theta = np.log(pi)
push, slope = bandit.update(theta), bandit.gradient(theta)
print("push   ", push.round(4))
print("slope  ", slope.round(4))
print(f"product {push @ slope:.6f}")
print(f"by hand {float(by_hand(*HAND)):.6f}")
one_step = bandit.policy(theta + 0.5 * push)
print("after a step of 0.5:")
print(f"π {one_step.round(4)}, V {one_step @ three:.4f}")

# %% [markdown]
# The reason: the middle answer is nearly as good as the best, and far likelier. But when the other sample of its group
# is a different answer, it is mostly the best one. Then the middle answer is pushed down as hard as if its reward were
# 0, because dividing by $\sigma$ makes a gap of 0.01 as large as any other. The other answers share the probability
# that it loses. The worst answer is rarely sampled and so rarely pushed down, and gets some of it.
#
# The controls: with two reward levels (0 for the middle answer) the same policy improves. Without eq-4's division by
# $\sigma$, the step is along the slope itself.

# %%
binary = ExactBandit(np.array([1.0, 0, 0]), 0, 2, 0, 0, "outputs")
undivided = ExactBandit(three, 0, 2, 0, 0, "outputs", normalised=False)
controls = {
    "two reward levels": binary.update(theta) @ binary.gradient(theta),
    "without dividing by σ": undivided.update(theta) @ slope,
}
for name, value in controls.items():
    print(f"{name:23} {value:+.6f}")

# %% tags=["picture"]
paths = {"GRPO": flow(bandit, pi, 16), "without σ": flow(undivided, pi, 16)}
drawn, (axes,) = style.figure(height=2.9)
axes.plot(paths["GRPO"], **style.METHODS["GRPO"], label="GRPO, G = 2")
axes.plot(paths["without σ"], color=style.GREY, label="without dividing by σ")
axes.set(
    xlabel="step of size 0.2",
    ylabel="expected reward V",
    ylim=(0.951, 0.9545),
    xlim=(0, 15),
)
axes.set_yticks([0.951, 0.952, 0.953, 0.954])
axes.legend(loc="lower right")
style.show(
    drawn,
    "Expected steps, exact: nothing is sampled. Note the small range of the axis: the fall is real but small.",
    alt="GRPO's expected reward falls a little for six steps, then rises; without σ it only rises.",
)

# %% [markdown]
# So "monotonic improvement" is false in general: a small example is enough. The figure also shows how large the effect
# is here: the reward falls by less than 0.001, and then rises above its start. A counterexample disproves a claim; it
# does not make the method useless.
#
# ## Tables, computed again (claim-11, claim-14)
#
# The paper's own numbers can be checked against each other. Its abstract gives GRAO's relative improvement over four
# methods. Tables 1 and 2 have the *RAS* (eq-5: the share of answers that beat their reference) of two models on two
# data sets. The mean of the four ratios is within 0.03 points of two of the abstract's numbers, but not of the other
# two.

# %%
swap = min(exchanges().items(), key=lambda pair: pair[1])[0]
print("%      abstract  tables  exchanged")
printed, mended = {}, {}
for method, said in ABSTRACT.items():
    printed[method] = improvement(method, RAS, "mean of ratios")
    mended[method] = improvement(method, RAS, "mean of ratios", swap)
    print(f"{method:6} {said:8.2f}{printed[method]:8.2f}{mended[method]:11.2f}")
print(f"exchanged: {swap[0]} and {swap[1]},")
print(f"on {swap[2][0]}, {MODELS[swap[2][1]]}")

# %% tags=["picture"]
drawn, (above, below) = style.figure(rows=2, height=2.9)
places = np.arange(len(RAS))
for index, method in enumerate(METHODS):
    cells = [TABLES[data][method][model] for data, model, _ in RAS]
    above.errorbar(
        places + 0.1 * (index - 2),
        [cell[0] for cell in cells],
        [cell[1] for cell in cells],
        fmt="o",
        capsize=3,
        color=style.METHODS[method]["color"],
        label=method,
    )
names = [f"{data}\n{('Qwen', 'Moonlight')[model]}" for data, model, _ in RAS]
above.set_xticks(places.tolist(), names)
above.set(ylabel="RAS, %")
above.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=3)
where = np.arange(len(ABSTRACT))
for offset, numbers, colour, label in (
    (-0.2, printed, style.BLUE, "as printed"),
    (0.2, mended, style.ORANGE, "exchanged"),
):
    off = [numbers[method] - ABSTRACT[method] for method in ABSTRACT]
    below.bar(where + offset, off, width=0.4, color=colour, label=label)
below.axhline(0, color=style.GREY, linewidth=0.8)
below.set_xticks(where.tolist(), list(ABSTRACT))
below.set(ylabel="minus the abstract, points", ylim=(-1.5, 1.5))
below.legend(loc="upper left")
style.show(
    drawn,
    "Above: RAS as tables 1 and 2 print it; the ± that they print are smaller than the marks. Below: how far the mean of the four ratios is "
    "from the abstract, as printed and with PPO's and GRPO's RAS exchanged for one model on one data set.",
    alt="GRAO has the highest RAS in all four columns. Below, two bars of about one point, which vanish after the exchange.",
)

# %% [markdown]
# If PPO's and GRPO's RAS in one column are exchanged, all four numbers agree to 0.03 points. There are 24 possible
# exchanges, and no other has this effect. What is left is more than rounding explains in three of the four: for exact
# numbers, one cell of GRAO has to differ by 0.06 or 0.07 as well. This explains the numbers, but does not show which of
# them are right.
#
# The second case is the ablation (table-3; its NAG, eq-6, is the share of answers that training improved). The paper's
# text says that leaving out exploration costs most. The table shows:

# %%
drops = {name: -np.mean(relative(name)) for name in PRINTED_CHANGE}
print("NAG, change in %     here printed")
for name, drop in drops.items():
    print(f"{name:20}{-drop:6.2f}{PRINTED_CHANGE[name]:8.2f}")

# %% [markdown]
# The printed changes are right, but the sentence about them is not: leaving out the regulariser gives the larger drop.
# But the two drops differ by less than the ± that table-1 prints for such a cell, so neither order is certain.
#
# ## All of it
#
# `theory/REPORT.md` has every row. `make theory` computes all of them again and compares. The numbers below are read
# from the report.

# %%
report = verdicts_in((HERE.parent / "theory" / "REPORT.md").read_text())
counts = Counter(report.values())
for verdict in VERDICTS:
    print(f"{counts[verdict]:3} {verdict}")
print(f"{len(report):3} in all")

# %% tags=["picture"]
kinds = {
    "equations": ("eq",),
    "assumptions": ("A",),
    "claims": ("claim",),
    "tables, figures": ("table", "figure"),
    "theorems (ours)": ("thm",),
    "experiments (ours)": ("exp",),
}
drawn, (axes,) = style.figure(height=3.4)
left = np.zeros(len(kinds))
for verdict, colour in zip(
    VERDICTS, (style.BLUE, style.SKY, style.RED, "0.8"), strict=True
):
    number = [
        sum(each == verdict and id.startswith(starts) for id, each in report.items())
        for starts in kinds.values()
    ]
    axes.barh(list(kinds), number, left=left, color=colour, label=verdict)
    left += number
axes.invert_yaxis()
axes.set(xlabel="rows of the ledger")
axes.set_xticks([0, 5, 10, 15])
axes.legend(loc="lower center", bbox_to_anchor=(0.33, 1), ncol=2)
style.show(
    drawn,
    "Verdicts by kind of row. Theorems and experiments are this project's statements about the method, not the paper's.",
    alt="Stacked bars of verdicts for six kinds of rows.",
)


def draw_ledger(report):
    """A folded table for each verdict."""
    parts = []
    for verdict in VERDICTS:
        lines = "".join(
            f"<tr><td style='white-space: nowrap'>{id}</td><td style='text-align: left'>{html.escape(claims()[id].statement)}</td></tr>"
            for id, each in report.items()
            if each == verdict
        )
        parts.append(
            f"<details><summary><b>{verdict}</b> ({counts[verdict]})</summary><table>{lines}</table></details>"
        )
    style.present("".join(parts), "every row of the ledger, by verdict")


draw_ledger(report)

# %% [markdown]
# ## Summary of the results
#
# - **Holds:** the equations that define what is computed (eq-1 to eq-5 and eq-8), and that eq-3's three terms are two
#   (thm-1). A group in which all samples fail still gives a gradient, if a better reference is in its pool (thm-3).
# - **Holds under conditions:** most of what the paper promises: faster learning (claim-7, claim-12), learning where all
#   samples fail (claim-9), becoming better than the reference (claim-10), monotonic improvement (claim-8), convergence
#   (claim-1). Check the condition before you rely on one of these. Often it depends on how good the reference is, and
#   on whether the objective is the printed or the repaired one (tutorial 8).
# - **Fails:** the sign of eq-7, the advantages' bound (claim-4), the two rules for choosing β and λ (claim-5, claim-6),
#   the normalisation of eq-9, and that eq-6 alone makes the tables.
# - **Cannot be tested here:** whether a 7-billion-parameter model that is trained as the paper describes gets the
#   numbers of its tables. No bandit can show this, and the rows that would need it get this verdict.
#
# Be as strict with the ledger itself. It tests small cases, and its rows about speed are about bandits, whose answers
# share no parameters. Each row names its file in `theory/claims/`: read the argument, plant a violation of your own,
# and see whether the check fails.

# %% [markdown]
# ## What was claimed

# %% tags=["claims"]
assert check.passed
assert difference < 1e-12 < planted
assert "void check" in refusal
assert [finding.verdict() for finding in examples.values()] == list(VERDICTS[:3])
for row in rows.values():
    assert row.verdict == report[row.claim.id]  # live and committed agree
    for each in (*row.finding.holds, *row.finding.fails):
        assert each.passed
        side = 1 if each.test == "<" else -1
        assert side * each.control_measured >= side * each.limit  # it does not pass
assert np.allclose(largest, np.sqrt(np.array(sizes) - 1))
assert largest == sorted(largest)
assert largest[-1] > 30
assert 1 / 15 < chance < 1 / 13  # one group of fourteen
assert np.allclose(push, [0.16, -0.1216, -0.0384])
assert np.allclose(slope, [0.00952, 0.028576, -0.038096])
assert np.isclose(push @ slope, float(by_hand(*HAND)))
assert push @ slope < 0 < min(controls.values())
along = undivided.update(theta) / slope
assert np.allclose(along, along[0])  # along the slope itself
assert one_step @ three < pi @ three
assert one_step[2] > pi[2]  # the worst gains
assert 0 < paths["GRPO"][0] - paths["GRPO"].min() < 1e-3
assert paths["GRPO"][-1] > paths["GRPO"][0]  # and comes back
assert (np.diff(paths["without σ"]) > 0).all()
for method, said in ABSTRACT.items():
    assert (abs(printed[method] - said) < 0.035) == (method in ("SFT", "DPO"))
    assert abs(mended[method] - said) < 1.5 * rounding(method)
assert len(exchanges()) == 24
assert sorted(exchanges().values())[1] > 0.5  # no other exchange
assert all(
    TABLES[data]["GRAO"][model][0]
    == max(TABLES[data][method][model][0] for method in METHODS)
    for data, model, _ in RAS
)
assert all(abs(drops[name] + said) < 0.02 for name, said in PRINTED_CHANGE.items())
hair = drops["without regulariser"] - drops["without exploration"]
assert 0 < hair < min(cell[3] for cell in TABLES["helpful"]["GRAO"])
assert set(report) == set(claims())
holding = ["eq-1", "eq-2", "eq-3", "eq-4", "eq-5", "eq-8", "thm-1", "thm-3"]
conditional = ["claim-1", "claim-7", "claim-8", "claim-9", "claim-10", "claim-12"]
failing = ["eq-6", "eq-7", "eq-9", "claim-4", "claim-5", "claim-6"]
for verdict, ids in zip(VERDICTS, (holding, conditional, failing), strict=False):
    assert {report[id] for id in ids} == {verdict}

# %% [markdown]
# ## Exercises
#
# Run `make exercise 12`: it makes the file `my_answers/exercise_12.py`. Write three functions there,
# and run the command again to check them:
#
# 1. `deviation_check`: check "σ_A = 1" (claim-6) for any group, with a `Check` whose control fails.
# 2. `mean_improvement`: the abstract's percentages, from columns of a table.
# 3. `falling_bandit`: find three answers where the expected step of GRPO lowers the expected reward at $G = 8$, too.
#
# Ours are in `tutorials/solutions/solution_12.py`.
