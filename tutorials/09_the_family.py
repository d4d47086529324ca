# %% [markdown]
# # The family
#
# SFT, REINFORCE, PPO, GRPO, DPO and GRAO in one picture: each method is a set of weights on the same log-likelihoods.
# The weights show what each method can do with a failure, with a reference and with old samples. The whole
# losses of five methods stand side by side.
#
# You need tutorial 1 (group, reward, advantage, weight), tutorial 4 (PPO, GRPO and GRAO),
# [tutorial 5](05_groups_that_teach_nothing.py) (dead groups, the ratio) and [tutorial 8](08_the_repair.py) (the repair).

# %%
import ast
import html
import inspect
import textwrap

import numpy as np
import torch
from scipy.stats import binomtest

from grao_ref.equations.dpo import dpo_objective
from grao_ref.equations.grao import grao_objective, grao_objective_while_ahead
from grao_ref.equations.grpo import grpo_advantages, grpo_objective
from grao_ref.equations.ppo import ppo_objective
from grao_ref.equations.sft import sft_objective
from theory import runs
from theory.family import by_autograd, closed_form, group
from tutorials import interactive, style

# %% [markdown]
# ## One formula
#
# There are samples $o_1 \dots o_G$, and a reference $y$. A policy is changed only by the gradient of a method's
# objective, and for each method here that gradient is a sum over those answers:
#
# $$ \sum_i w_i \nabla \log \pi(o_i) + w_y \nabla \log \pi(y) $$
#
# A positive weight makes the answer likelier, a negative one makes it less likely, and 0 ignores it. So the weights
# describe a method completely. To find them we do as in tutorial 1: we take the package's objective, and autograd gives
# its derivative with respect to each log-likelihood.
#
# Two methods are new. *DPO* (Direct Preference Optimization) takes a pair of answers, and pushes the better one up and the
# worse one down. *REINFORCE* is the method from which all methods that sample are derived; its weight is the reward itself. For
# PPO we assume here that the critic's value is the group's mean reward, and for DPO that the pair is the reference and
# the worst sample of the group. Two more methods, *LUFFY* and *CHORD*, come from the theory laboratory for comparison.
# LUFFY (arXiv:2504.14945) treats the reference as one more sample of the group, with a weight that depends on its
# probability. CHORD (arXiv:2508.11408) adds GRPO and SFT in fixed shares.
#
# The example is a group of four with rewards 1, 1, 0.5 and 0. The reference earns 0.5, and has probability 0.2.

# %%
NAMES = {  # name here: name in theory/family.py
    "SFT": "SFT",
    "DPO": "DPO",
    "REINFORCE": "REINFORCE",
    "PPO": "PPO",
    "GRPO": "GRPO",
    "GRAO printed": "GRAO printed",
    "GRAO": "GRAO repaired",
    "LUFFY": "LUFFY",
    "CHORD": "CHORD-μ",
}


def run_weights(name, rewards, reference, pi_y=0.2):
    """The weights on the samples, and on the reference last."""
    w_o, w_y = by_autograd(NAMES[name], group(rewards, reference, pi_y))
    return [*w_o.tolist(), w_y.item()]


EXAMPLE = [1.0, 1.0, 0.5, 0.0], 0.5
print(f"{'':13}" + "".join(f"{each:>7}" for each in ("o₁", "o₂", "o₃", "o₄", "y")))
for name in NAMES:
    cells = [f"{each + 0.0:7.2f}" for each in run_weights(name, *EXAMPLE)]
    print(f"{name:13}" + "".join(cells))

# %% tags=["picture"]
SHADES = style.diverging(style.WINE, style.GREY)


def draw_weights(rewards, reference):
    """A row for each method, a cell for each answer, coloured by its share of the row's largest weight."""
    drawn, (axes,) = style.figure(height=4.2)
    table = np.array([run_weights(name, rewards, reference) for name in NAMES])
    largest = np.abs(table).max(axis=1, keepdims=True)
    axes.imshow(
        table / np.where(largest == 0, 1, largest),
        cmap=SHADES,
        vmin=-1,
        vmax=1,
        aspect="auto",
    )
    for (row, column), weight in np.ndenumerate(table):
        flat = abs(weight) < 0.005
        text = "0" if flat else f"{weight:+.2f}".replace("-", "−")
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            size=12,
            color=style.GREY if flat else style.BLACK,
        )
    answers = [f"o{'₁₂₃₄'[i]}\n{reward:g}" for i, reward in enumerate(rewards)]
    axes.set_xticks(range(5), [*answers, f"y\n{reference:g}"])
    axes.set_yticks(range(len(NAMES)), NAMES)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.axvline(3.5, color=style.GREY, linewidth=1)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("weight on log π of each answer")
    return drawn


style.show(
    draw_weights(*EXAMPLE),
    "The family on one group; above, each answer with its reward. Grey: made likelier; dark red: less likely; the shade is relative to the largest weight of its row. "
    "β = 0.5, λ = 0.6; DPO's coefficient κ is 0.1, CHORD's share μ of SFT 0.3, LUFFY's constant γ 0.1.",
    alt="Nine methods by five answers, the weight in each cell.",
)

# %% [markdown]
# What each row shows:
#
# - **SFT** has a weight on the reference only, whatever its reward is. It uses no rewards.
# - **DPO** has weights on its pair only. It pushes the reference up and the rejected answer down, by the same amount.
# - **REINFORCE** pushes in proportion to the reward. If no reward is negative, no weight is: it never pushes an answer
#   down.
# - **PPO** and **GRPO** push answers below average down, and the weights add up to 0. GRPO's weights are PPO's, divided
#   by the group's deviation.
# - **GRAO's** sample weights are similar to GRPO's, times $1 + \lambda$ and shifted a little, because the reference is
#   in the pool. The last column is specific to GRAO. As printed, a reference below its group's mean is pushed down;
#   repaired, its weight is 0.
# - **LUFFY** has a weight on the reference as well, but a much smaller one. **CHORD's** weight on it does not depend on
#   rewards.
#
# Each row has a formula (`closed_form`), and autograd agrees with it up to rounding:

# %%
worst = 0.0
for name in NAMES.values():
    for rewards, reference in (EXAMPLE, ([0.0, 0.0, 0.0, 1.0], 1.0), ([1.0] * 4, 0.3)):
        g = group(rewards, reference, 0.2)
        for formula, autograd in zip(
            closed_form(name, g), by_autograd(name, g), strict=True
        ):
            worst = max(worst, (formula - autograd).abs().max().item())
print("formulas and autograd agree:", worst < 1e-12)

# %% [markdown]
# | method | $w_i$ | $w_y$ |
# | :--- | :--- | :--- |
# | SFT | 0 | 1 |
# | DPO, first step | −κ/2, on the rejected | κ/2 |
# | REINFORCE | R / G | 0 |
# | PPO, critic V | (R − V) / G | 0 |
# | GRPO | Â / G | 0 |
# | GRAO printed | (1 + λ) Â / G | (β + λ/G) Â_y |
# | GRAO repaired | (1 + λ) Â / G | (β + λ/G) max(Â_y, 0) |
# | LUFFY | Â / (G+1) | Â_y γp / (p+γ)² / (G+1) |
# | CHORD | (1−μ) Â / G | μ |
#
# (GRPO's and CHORD's Â is standardised over the samples, GRAO's and LUFFY's over samples and reference; p is π(y); V is
# the critic's value, an estimate of the expected reward.)
#
# ## How the weights depend on the samples' rewards
#
# Move the sliders: how many of the four samples are right (reward 1, the others 0), and the reference's reward. Look
# for the rows that become blank (all weights 0).

# %% tags=["picture"]
interactive.sliders(
    lambda **at: draw_weights(
        [1.0] * int(at["right"]) + [0.0] * (4 - int(at["right"])), at["R(y)"]
    ),
    {"right": [0, 1, 2, 3, 4], "R(y)": [0, 0.5, 1]},
    {"right": 1, "R(y)": 1},
    "The family, by how many of four samples are right and by the reference's reward.",
    alt="Nine methods by five answers, the weight in each cell",
)

# %% [markdown]
# At 0 and at 4 the group is dead, and PPO's and GRPO's rows are blank. REINFORCE's row is blank at 0, but not at 4,
# where all samples are pushed up. (PPO's row is blank because we assume that the critic's value is the group's mean.
# With any other value the weights are not 0, as tutorial 5 showed.) GRAO's rows are blank only if the reference earns
# the same as all samples.
#
# The sizes, for a group of eight and a reference of 0.7:

# %% tags=["picture"]
LINES = style.METHODS | {
    "LUFFY": {"color": style.GREY, "linestyle": (0, (4, 2, 1, 2))},
    "CHORD": {"color": style.GREY, "linestyle": (0, (1, 1))},
}
drawn, panels = style.figure(rows=3, height=2.9)
by_wins = {
    name: np.array(
        [run_weights(name, [1.0] * k + [0.0] * (8 - k), 0.7) for k in range(9)]
    )
    for name in NAMES
}
for name in ("REINFORCE", "PPO", "GRPO", "GRAO"):
    panels[0].plot(
        range(1, 9), by_wins[name][1:, 0], **LINES[name], marker=".", label=name
    )
    panels[1].plot(range(8), by_wins[name][:8, 7], **LINES[name], marker=".")
for name in ("SFT", "DPO", "CHORD", "LUFFY", "GRAO printed", "GRAO"):
    panels[2].plot(range(9), by_wins[name][:, 8], **LINES[name], marker=".", label=name)
for axes, of in zip(
    panels, ("each success", "each failure", "the reference"), strict=True
):
    axes.set(ylabel="weight", xlim=(-0.2, 8.2))
    axes.set_title(f"on {of}", pad=8)
    axes.axhline(0, color=style.GREY, linewidth=0.8)
panels[0].legend(loc="upper right", ncols=2)
panels[2].legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2)
panels[2].set(xlabel="right answers among the 8 samples", ylim=(-1.9, 1.9))
style.show(
    drawn,
    "Weights by the number of samples that are right, G = 8, R(y) = 0.7, π(y) = 0.2. The values are exact, so there are no intervals.",
    alt="Three panels: weight on a success, on a failure, and on the reference, by the number of successes.",
)

# %% [markdown]
# What the figure shows:
#
# - **In GRPO and GRAO a success has the largest weight if it is the only one.** Dividing by the deviation makes the
#   weights of rare events large: one right answer of eight has a weight of 0.33 in GRPO, 0.11 in PPO. Symmetrically, a
#   failure is pushed down most if it is the only one.
# - **Of the four methods above, only GRAO has weights other than 0 when all samples fail.** Its sample weights are
#   slightly negative, and the reference's weight is at its largest. (LUFFY's pool includes the reference as well: its
#   weights are not 0 either, but smaller.)
# - **The reference's weight falls as samples succeed**, and crosses 0 where the group's mean passes $R(y)$: here between
#   five and six of eight. The group's *mean* decides, not its best sample: with five of eight right the reference is
#   still imitated.

# %% [markdown]
# ## What can a method do with a reference?
#
# SFT and CHORD imitate it with a constant weight, whatever its reward is. DPO needs a pair. PPO, GRPO and REINFORCE
# can't use it. In LUFFY and GRAO the weight depends on rewards. They differ when the reference is *unlikely* under the
# policy:

# %% tags=["picture"]
drawn, panels = style.figure(rows=2, height=2.8)
probabilities = np.logspace(-4, -0.01, 60)
places = {
    "reference ahead of eight failures": ([0.0] * 8, 1.0),
    "reference behind eight successes": ([1.0] * 8, 0.0),
}
for axes, (title, (rewards, reference)) in zip(panels, places.items(), strict=True):
    for name in ("SFT", "CHORD", "LUFFY", "GRAO printed", "GRAO"):
        weights = [run_weights(name, rewards, reference, p)[-1] for p in probabilities]
        axes.semilogx(100 * probabilities, weights, **LINES[name], label=name)
    axes.axhline(0, color=style.BLACK, linewidth=0.6)
    axes.set(ylabel="weight on log π(y)", title=title)
panels[1].legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=3)
panels[0].set_ylim(-0.15, 1.9)
panels[1].set_xlabel("probability of the reference, %")
style.show(
    drawn,
    "Weight on the reference by its probability under the policy. Above, the two GRAOs coincide.",
    alt="LUFFY's weight fades with the probability; GRAO's, SFT's and CHORD's don't depend on it.",
)

# %% [markdown]
# LUFFY's weight goes to 0 as the reference becomes unlikely. So a reference that the policy would never write has
# almost no effect, whether it is better or worse than the samples. GRAO's weight does not depend on the probability.
# When the reference is ahead, this is useful: at a probability of one in ten thousand its weight is still 1.63. When it
# is behind, the printed objective keeps pushing it down with −1.63 (thm-4); the repair sets this weight to 0. Only
# repaired GRAO has a weight on the reference that depends on rewards, does not go to 0 for an unlikely reference, and
# is never negative (exp-family).

# %% [markdown]
# ## What can a method do with old samples?
#
# Sampling is expensive, so one would like to make several updates on one group. From the second update on, the policy
# is no longer the one that sampled the group: the update is *off-policy*. PPO and GRPO multiply each weight by the
# ratio $\rho$ of the new probability to the old. They set it to 0 once an answer has moved far enough in the direction
# it was pushed: this is the *clip*, at a ratio of 1.2 upwards and 0.8 downwards. GRAO (eq-3) has neither ratio nor
# clip.

# %%
ratios = np.round(np.linspace(0.55, 1.65, 111), 3)  # 0.8 and 1.2 are between points
ratios = ratios + 0.001
off = {}
for name in ("REINFORCE", "PPO", "GRPO", "GRAO"):
    g = group(EXAMPLE[0], EXAMPLE[1], 0.2)
    rows = [by_autograd(NAMES[name], g, float(np.log(each)))[0] for each in ratios]
    off[name] = torch.stack(rows).numpy()

# %% tags=["picture"]
drawn, panels = style.figure(rows=2, height=2.8)
for axes, index, title in zip(
    panels, (0, 3), ("a success (o₁)", "a failure (o₄)"), strict=True
):
    for name, rows in off.items():
        axes.plot(ratios, rows[:, index], **LINES[name], label=name)
    axes.set(ylabel="weight", title=title)
    axes.axhline(0, color=style.GREY, linewidth=0.8)
    axes.axvline(1, color=style.GREY, linewidth=0.8)
panels[0].set_ylim(-0.05, 0.75)
panels[0].legend(loc="upper center", ncols=2)
panels[1].set_xlabel("ratio of its probability, now to when sampled")
style.show(
    drawn,
    "Weights off-policy, on the group of the first picture. At a ratio of 1 they are those of the first picture.",
    alt="PPO's and GRPO's weights grow with the ratio and drop to 0 at 1.2 for a success, below 0.8 for a failure.",
)

# %% [markdown]
# For a success, the weight is 0 once it is more than 1.2 times as likely as before; if it has become *less* likely, it
# is still pushed up. GRAO's weights do not change, so a second update repeats the first. With one update per group, the
# trainer's default, the ratio is 1 and this does not matter. With eight updates, on a small bandit (exp-inner), we
# count how many of 500 runs end at the reference's reward or below:

# %%
teacher = 0.6
rewards, logits = runs.start(torch.tensor([1.0, teacher, 0.0]), [0.05, 0.05, 0.9], 500)
stuck = {}
for method in ("grpo", "grao"):
    for updates in (1, 8):
        config = runs.settings(
            method=method, learning_rate=0.8, max_steps=40, num_iterations=updates
        )
        end = runs.values(rewards, 1, logits, config)[-1]
        count = stuck[method, updates] = int((end < teacher + 0.02).sum())
        low, high = binomtest(count, 500).proportion_ci(method="wilson")
        print(f"{method} × {updates}: {count} of 500, {low:.0%} to {high:.0%}")

# %% [markdown]
# (Wilson's 95 % intervals.) GRPO's clip limits its eight updates. GRAO repeats its step eight times, including the pull
# to the reference, and more than a fifth of its runs become certain of the reference before they have sampled anything
# better. The learning rate is the same for all. According to the laboratory, most of the harm comes from repeating the
# reference's part, and an eighth of the rate removes it (exp-inner).

# %% [markdown]
# ## Five losses, side by side
#
# Each method is one file in `grao_ref/methods/`; its objective calls an equation in `grao_ref/equations/`. Here are the
# whole equations of five methods, and the repair, copied from the package without docstrings and checks of the input.
# Objectives are maximised; the loss is minus their mean. GRPO's equation is PPO's: only its advantages differ, which are
# standardised over the group and not taken from a critic. (A method of your own is one more such file: see [how to add a
# method](pages/add_a_method.md).)

# %% tags=["picture"]
SHEETS = {
    "SFT": [sft_objective],
    "DPO": [dpo_objective],
    "PPO": [ppo_objective],
    "GRPO": [grpo_advantages, ppo_objective],
    "GRAO printed": [grao_objective],
    "GRAO": [grao_objective_while_ahead],
}


def run_body(function):
    """The lines of a function without its signature, docstring and checks."""
    source = textwrap.dedent(inspect.getsource(function))
    definition = ast.parse(source).body[0]
    hidden = set(range(1, definition.body[0].lineno))
    for node in ast.walk(definition):
        if isinstance(node, ast.Expr):  # docstrings and calls for their checks
            hidden |= set(range(node.lineno, node.end_lineno + 1))
    return [
        line.split("  #")[0].removeprefix("    ").rstrip()
        for number, line in enumerate(source.splitlines(), start=1)
        if number not in hidden
    ]


def draw_sheets():
    """A box for each method: as many beside each other as fit."""
    boxes = []
    for name, functions in SHEETS.items():
        colour = style.METHODS[name]["color"]
        lines = [line for function in functions for line in run_body(function)]
        code = "".join(
            f'<span style="display:block;padding-left:1em;text-indent:-1em">{html.escape(line)}</span>'
            for line in lines
        )
        boxes.append(
            f'<div style="border-top:4px solid {colour};min-width:0"><strong>{html.escape(name)}</strong>'
            f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere;font-size:.74rem">{code}</pre></div>'
        )
    grid = (
        "display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr))"
    )
    words = "The equations of five methods and the repair, from the package's source. GRAO is the repaired objective."
    style.present(
        f'<figure><div style="{grid}">{"".join(boxes)}</div><figcaption>{words}</figcaption></figure>',
        words,
    )


draw_sheets()

# %% [markdown]
# ## In one table
#
# | method | a failure | the reference | a dead group | old samples |
# | :--- | :--- | :--- | :--- | :--- |
# | SFT | not used | up, always | samples none | samples none |
# | DPO | down, if it is in the pair | up, as one of a pair | samples none | samples none |
# | REINFORCE | weight 0 | can't use it | all up, or nothing | no clip |
# | PPO | down | can't use it | depends on its critic | clip |
# | GRPO | down | can't use it | nothing | clip |
# | GRAO printed | down | up if above the mean, else down | reference up or down at full strength | no clip |
# | GRAO repaired | down | up if above the mean | reference up at full strength if ahead | no clip |
#
# None of these is best everywhere. Tutorial 4 has their curves on a bandit; tutorial 7 is about when a reference helps.

# %% [markdown]
# ## What was claimed

# %% tags=["claims"]
assert worst < 1e-12
table = {name: np.array(run_weights(name, *EXAMPLE)) for name in NAMES}
assert np.array_equal(table["SFT"], [0, 0, 0, 0, 1])
assert np.allclose(table["DPO"], [0, 0, 0, -0.05, 0.05])
assert table["REINFORCE"].min() >= 0
for name in ("PPO", "GRPO"):
    assert abs(table[name][:4].sum()) < 1e-12
    assert table[name][3] < 0 == table[name][4]
deviation = np.std(EXAMPLE[0])
assert np.allclose(table["GRPO"], table["PPO"] / deviation)
close = table["GRAO"][:4] / 1.6 - table["GRPO"][:4]
assert 0.01 < np.abs(close).max() < 0.06  # 1 + λ, and a little shifted
assert table["GRAO printed"][4] < 0 == table["GRAO"][4]
assert np.array_equal(table["GRAO printed"][:4], table["GRAO"][:4])
assert -0.02 < table["LUFFY"][4] < 0
assert np.isclose(table["CHORD"][4], 0.3)

for right, blank in ((0, True), (4, False)):  # dead groups of four
    earned = [1.0] * right + [0.0] * (4 - right)
    for reference in (0.0, 0.5, 1.0):
        for name in ("PPO", "GRPO"):
            assert not np.any(run_weights(name, earned, reference))
        assert np.any(run_weights("REINFORCE", earned, reference)) != blank
        silent = reference == right / 4
        assert np.any(run_weights("GRAO", earned, reference)) != silent

one = {name: by_wins[name][1, 0] for name in ("REINFORCE", "PPO", "GRPO", "GRAO")}
assert np.isclose(one["GRPO"], np.sqrt(7) / 8)  # 0.33
assert 0.325 < one["GRPO"] < 0.335
assert 0.105 < one["PPO"] < 0.115
for name in ("GRPO", "GRAO"):
    assert by_wins[name][1:, 0].argmax() == 0  # a lone success
    assert by_wins[name][:8, 7].argmin() == 7  # a lone failure
for name in ("REINFORCE", "PPO", "GRPO"):
    assert not by_wins[name][0].any()
assert -0.1 < by_wins["GRAO"][0, 0] < 0
assert by_wins["GRAO"][:, 8].argmax() == 0
assert np.all(np.abs(by_wins["LUFFY"][0]) > 0)
assert np.all(np.abs(by_wins["LUFFY"][0]) < 0.6 * np.abs(by_wins["GRAO"][0]))
assert np.all(np.diff(by_wins["GRAO printed"][:, 8]) < 0)
assert by_wins["GRAO printed"][5, 8] > 0 > by_wins["GRAO printed"][6, 8]

ahead, behind = places.values()
full = (0.5 + 0.6 / 8) * np.sqrt(8)  # 1.63
for p in (1e-4, 0.5):
    assert np.isclose(run_weights("GRAO", *ahead, p)[-1], full)
    assert np.isclose(run_weights("GRAO printed", *behind, p)[-1], -full)
    assert run_weights("GRAO", *behind, p)[-1] == 0
    assert run_weights("CHORD", *behind, p)[-1] == run_weights("CHORD", *ahead, p)[-1]
assert 0 < run_weights("LUFFY", *ahead, 1e-4)[-1] < 0.001
assert -0.001 < run_weights("LUFFY", *behind, 1e-4)[-1] < 0

for name in ("PPO", "GRPO"):
    at_one = table[name][:4]
    success, failure = off[name][:, 0], off[name][:, 3]
    assert not success[ratios > 1.2].any()
    assert np.allclose(success[ratios < 1.2], (ratios * at_one[0])[ratios < 1.2])
    assert not failure[ratios < 0.8].any()
    assert np.allclose(failure[ratios > 0.8], (ratios * at_one[3])[ratios > 0.8])
for name in ("REINFORCE", "GRAO"):
    assert np.ptp(off[name], axis=0).max() < 1e-12
assert stuck["grpo", 1] + stuck["grpo", 8] + stuck["grao", 1] < 10
assert stuck["grao", 8] > 100

assert "return ppo_objective(" in inspect.getsource(grpo_objective)
assert "return grao_objective(" in inspect.getsource(grao_objective_while_ahead)
code = {
    name: "\n".join(line for each in of for line in run_body(each))
    for name, of in SHEETS.items()
}
assert all("clamp" in code[name] for name in ("PPO", "GRPO"))
assert not any("_ratio" in code[name] for name in ("GRAO printed", "GRAO"))
assert max(len(each.splitlines()) for each in code.values()) <= 8

# %% [markdown]
# ## Exercises
#
# Run `make exercise 9`: it makes the file `my_answers/exercise_9.py`. Write three functions there, in plain Python,
# and run the command again to check them:
#
# 1. `leave_one_out`: the weights of RLOO, a method that isn't in the figure. Which method has the same weights, up to a
#    factor?
# 2. `clipped_weight`: PPO's weight on a log-likelihood at any ratio.
# 3. `decompose`: GRAO's weights, with the reference in the pool, as GRPO plus SFT plus a remainder. What is the
#    remainder?
#
# Ours are in `tutorials/solutions/solution_9.py`.
