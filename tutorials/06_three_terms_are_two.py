# %% [markdown]
# # Three terms are two
#
# Exploration, imitation and alignment reduce to two weighted likelihoods. Of the paper's two coefficients, one setting
# is left, plus a step size that Adam cancels.
#
# You need tutorial 1 (the group, its advantages, the pool, the three terms of eq-3, and what a *weight* on a
# log-likelihood is) and tutorial 4 (the bandit, and its runs).

# %%
import torch

from grao_ref import grao_objective, group_advantages, likelihood_weights
from theory import runs
from theory.knob import knob
from theory.paper_tables import ABLATION, ERRORS
from tutorials import interactive, style

torch.set_default_dtype(torch.float64)
beta, lam, G = 0.5, 0.6, 8  # the paper's values

# %% [markdown]
# ## Collect by likelihood (thm-1)
#
# Each term of eq-3 is a sum of numbers times log-likelihoods. So we can collect the factors of each log-likelihood. A
# sample's $J(o_i)$ gets $\hat A_i / G$ from exploration and $\lambda \hat A_i / G$ from alignment. The reference's $J(y)$
# gets $\beta \hat A_y$ from imitation, and alignment subtracts $\lambda \hat A_i / G$ for each sample. That is
# $\lambda \bar A$ in all, where $\bar A$ is the samples' mean advantage. So eq-3 is
#
# $$ \sum_i w_i J(o_i) + w_y J(y) $$
#
# $$ w_i = \frac{(1 + \lambda) \hat A_i}{G}, \qquad w_y = \beta \hat A_y - \lambda \bar A $$
#
# Alignment is exploration once more, times $\lambda$, minus $\lambda \bar A$ on the reference. *Three terms are two*: one
# for the samples, one for the reference. We compare values and gradients on a thousand random groups for each pool.

# %%
rng = torch.Generator().manual_seed(0)
difference = {}
for pool in ("with_reference", "outputs"):
    rewards = torch.rand(1000, G, generator=rng)
    reference_reward = torch.rand(1000, generator=rng)
    J = torch.randn(1000, G, generator=rng).requires_grad_()
    J_y = torch.randn(1000, generator=rng).requires_grad_()
    A, A_y = group_advantages(rewards, reference_reward, pool=pool)
    three = grao_objective(J, J_y, A, A_y, beta=beta, lam=lam).total
    w, w_y = likelihood_weights(A, A_y, beta=beta, lam=lam)
    two = (w * J).sum(-1) + w_y * J_y
    apart = (three - two, *torch.autograd.grad((three - two).sum(), (J, J_y)))
    difference[pool] = max(each.abs().max().item() for each in apart)
    print(f"{pool:14} apart by at most {difference[pool]:.0e}")

# %% [markdown]
# ## What alignment does to the reference
#
# That depends on $\bar A$, and so on the pool of eq-4 (tutorial 1):
#
# - `outputs`: the samples' advantages add up to 0, so $\bar A = 0$ and $w_y = \beta \hat A_y$. **The reference's part of
#   alignment is always 0.** The term is meant to compare samples with it, but only $\lambda$ times exploration is left.
# - `with_reference`: the advantages add up to 0 over samples *and* reference, so $\bar A = -\hat A_y / G$ and
#   $w_y = (\beta + \lambda/G) \hat A_y$: on the reference, alignment acts as a little more imitation.
#
# Here are the groups of eight samples that are right (reward 1) or wrong (0), with a reference that is right.

# %%
successes = torch.arange(G + 1)
graded = (successes[:, None] > torch.arange(G)).double()  # one row for each number
parts = {}
for pool in ("outputs", "with_reference"):
    A, A_y = group_advantages(graded, torch.ones(G + 1), pool=pool)
    parts[pool] = {"imitation": beta * A_y, "alignment": -lam * A.mean(-1)}
    cells = (f"{round(each, 2) + 0:.2f}" for each in parts[pool]["alignment"].tolist())
    print(f"{pool:14}  alignment's part of w_y:", *cells)

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.4)
words = {"imitation": "imitation, β Â_y", "alignment": "alignment, −λ Ā"}
for axes, (pool, weights) in zip(panels, parts.items(), strict=True):
    below = torch.zeros(G + 1)
    for term, part in weights.items():
        colour = style.TERMS[term]["color"]
        axes.bar(successes, part, 0.6, bottom=below, color=colour, label=words[term])
        below = below + part
    axes.set(ylabel="weight on J(y)", title=f'pool="{pool}"', ylim=(0, 1.75))
panels[0].legend(loc="upper right")
panels[1].set_xlabel("right answers among the 8 samples")
style.show(
    drawn,
    "The weight of eq-3 on the reference's mean log-likelihood. Above, alignment adds nothing in any group. Below, it adds "
    "λ/G = 0.075 to β = 0.5. (Without a right answer the group is dead above; below, the reference's weight is largest.)",
    alt="Stacked bars by number of right answers, for both pools: alignment's part is absent in one, small in the other.",
)

# %% [markdown]
# ## One setting and a step size
#
# From here on the reference is in the pool, the package's default. The objective is eq-3 *as printed*: the reference may
# have a negative weight. (`imitate_only_when_ahead=False` turns off the repair that tutorial 4's runs had.)
#
# Take the common factor out. What is left between the brackets depends on one number, $\rho$:
#
# $$ (1 + \lambda) \left( \frac1G \sum_i \hat A_i J(o_i) + \rho \hat A_y J(y) \right) $$
#
# $$ \rho = \frac{\beta + \lambda/G}{1 + \lambda} $$
#
# So $\rho$ is the weight of the reference relative to the samples, and $1 + \lambda$ makes the gradient longer. The bars
# below are the weights on tutorial 1's four answers and its reference. (For G = 8 each answer was sampled twice, for
# G = 16 four times.) Move one slider at a time: β moves the reference's bar and no other; λ makes all bars longer.

# %% tags=["picture"]
FOUR = torch.tensor([0.6, 0.4, 0.2, 0.5])


def draw_weights(β, λ, G):
    A, A_y = group_advantages(FOUR.repeat(G // 4), torch.tensor(0.8))
    w, w_y = likelihood_weights(A, A_y, beta=β, lam=λ)
    drawn, (axes,) = style.figure(height=3.0)
    axes.bar(range(G), w, 0.8, color=style.BLUE)
    axes.bar([G + 0.6], [w_y], 0.8, color=style.GREEN)
    axes.axhline(0, color=style.GREY, linewidth=0.8)
    axes.set_xticks([(G - 1) / 2, G + 0.6], [f"the {G} samples", "y"])
    axes.set(ylim=(-1.25, 2.5), ylabel="weight on its log-likelihood")
    axes.set_title(f"ρ = {(β + λ / G) / (1 + λ):.3f}     step size × {1 + λ:g}")
    return drawn


interactive.sliders(
    draw_weights,
    {"β": [0, 0.25, 0.5, 1], "λ": [0, 0.6, 2], "G": [4, 8, 16]},
    {"β": 0.5, "λ": 0.6, "G": 4},
    "The weights of eq-3 on one group's log-likelihoods.",
    alt="Bars of the weights of the samples and of the reference",
)

# %% [markdown]
# Under plain gradient ascent (*SGD*), a gradient that is $1 + \lambda$ times as long has the effect of a larger learning
# rate, and no other. *Adam*, the optimiser of the paper, divides each step by the recent size of the gradient, parameter
# by parameter. A gradient that is longer by a constant factor gives the same step. So under Adam **one setting is left**.
# To test this we take two pairs (β, λ) with the same ρ: the paper's, and one with λ = 3. Its gradients are 4 / 1.6 = 2.5
# times as long. Each trains 300 runs of tutorial 4's bandit, at the same learning rate.

# %%
rho_paper = (beta + lam / G) / (1 + lam)
pairs = {"A": (beta, lam), "B": (rho_paper * (1 + 3) - 3 / G, 3.0)}  # solved for β
for name, (b, a) in pairs.items():
    print(f"{name}: β = {b:.4f}, λ = {a}, ρ = {(b + a / G) / (1 + a):.4f}")


def run_bandit(β, λ, optimizer="adam", learning_rate=0.05, **settings):
    """V by step and run, and the tables at the end."""
    settings |= {"optimizer": optimizer, "learning_rate": learning_rate}
    settings |= {"imitation_coef": β, "alignment_coef": λ, "max_steps": 60}
    rewards, logits = runs.start(torch.tensor([1.0, 0.7, *[0.0] * 8]), [0.1] * 10, 300)
    config = runs.settings(imitate_only_when_ahead=False, **settings)
    steps = list(runs.run(rewards, 1, logits, config))
    return torch.stack([each.value for each in steps]), steps[-1].theta


found = {("Adam", name): run_bandit(*pair) for name, pair in pairs.items()}
found |= {("SGD", name): run_bandit(*pair, "sgd", 0.2) for name, pair in pairs.items()}
found["SGD, rate / 2.5", "B"] = run_bandit(*pairs["B"], "sgd", 0.2 / 2.5)
apart = {}
print("largest difference of a logit after 60 steps, pair B against pair A")
for rule in ("Adam", "SGD", "SGD, rate / 2.5"):
    against = found[rule.split(",")[0], "A"][1]
    apart[rule] = (found[rule, "B"][1] - against).abs().max().item()
    print(f"  {rule:16} {apart[rule]:.2g}")

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.5)
looks = {"A": {"linewidth": 5, "alpha": 0.35}, "B": {"linestyle": (0, (2, 1.5))}}
for axes, rule in zip(panels, ("Adam", "SGD"), strict=True):
    for name, (b, a) in pairs.items():
        V = found[rule, name][0].median(1).values
        axes.plot(V, color=style.RED, label=f"β = {b:g}, λ = {a:g}", **looks[name])
    axes.set(ylabel="expected reward V", title=rule, ylim=(0, 1.05))
panels[0].legend(loc="lower right")
panels[1].set_xlabel("step (8 samples each)")
style.show(
    drawn,
    "Two settings of equal ρ, medians of 300 runs. Under Adam the two curves are the same; under SGD the second rises sooner.",
    alt="Upper panel, Adam: the two curves coincide. Lower panel, SGD: the second rises sooner.",
)

# %% [markdown]
# Under SGD with the learning rate divided by 2.5, the second pair repeats the first up to rounding: λ acted as a learning
# rate. (Under Adam a small difference remains, because of its ε of $10^{-8}$. Clipping the gradient to a fixed norm, as in
# the paper, would make the two pairs differ: it comes before Adam and depends on the length.)
#
# ## The paper's ablation
#
# An *ablation* leaves out a part of a method to see its effect. The paper's table-3 leaves out one term at a time, on its
# two models. By thm-1 each row is a value of ρ, which `knob` computes from the three coefficients and G. (Without
# exploration, whose coefficient is 1, the samples' factor is $\lambda$ in place of $1 + \lambda$.)

# %%
ROWS = {  # coefficients of exploration, imitation and alignment
    "without imitation": (1, 0, lam),
    "full": (1, beta, lam),
    "without regulariser": (1, beta, 0),  # the paper's name for alignment
    "without exploration": (0, beta, lam),
}
rho = {name: knob(row, G) for name, row in ROWS.items()}

# %% tags=["table"]
rows = []
for name in ROWS:
    nags = zip(ABLATION[name], ERRORS["full"], strict=True)
    rows.append([name, f"{rho[name]:.3f}", *(f"{x:.2f} ± {e:.2f}" for x, e in nags)])
style.table(["left out", "ρ", "Qwen2.5-7B, NAG %", "Moonlight-16B, NAG %"], rows)

# %% [markdown]
# (NAG, eq-6: the share of prompts answered better than before training. ±: the full method's error, from table-1.)
#
# Look at the last row. **Without exploration, the policy still explores**: alignment contains a second copy of
# exploration, times λ. Only the balance changes: ρ goes from 0.359 to 0.958. We let the package leave the terms out, and
# compare with runs that have no alignment term and β equal to that ρ. They agree, but for Adam's ε. So the four rows are
# four points of one curve, $V$ as a function of ρ. A few more values of ρ show the curve.

# %%
curves, distance = {}, {}
for name, row in ROWS.items():
    left_out = tuple(t for t, c in zip(style.TERMS, row, strict=True) if c == 0)
    _, ablated = run_bandit(beta, lam, ablate=left_out)
    curves[rho[name]], tables = run_bandit(rho[name], 0.0)
    distance[name] = (ablated - tables).abs().max().item()
print("logits differ by at most", f"{max(distance.values()):.0e}")
for each in (0.0, 0.15, 0.25, 0.7, 1.2, 1.6):
    curves[each], _ = run_bandit(each, 0.0)
grid = sorted(curves)
middle = {each: V.median(1).values for each, V in curves.items()}

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.2)
for step, dash in ((60, "-"), (20, ":")):
    rows = torch.stack([curves[each][step] for each in grid])
    axes.plot(grid, rows.median(1).values, "o", linestyle=dash, color=style.RED)
    low, high = torch.quantile(rows, torch.tensor([0.25, 0.75]), dim=1)
    axes.fill_between(grid, low, high, color=style.RED, alpha=0.12, linewidth=0)
    axes.text(1.62, rows[-1].median() + 0.03, f"after {step} steps", ha="right")
for name, short in zip(ROWS, ("− imit.", "full", "− regul.", "− expl."), strict=True):
    axes.axvline(rho[name], color=style.GREY, linestyle=":", linewidth=1)
    axes.text(rho[name], 1.03, short, fontsize=10, ha="center")
axes.set(ylabel="expected reward V", ylim=(0.15, 1.0), xlabel="ρ")
style.show(
    drawn,
    "Medians and the middle half of 300 runs of the bandit. The four dotted lines are the rows of the table.",
    alt="Expected reward over ρ after 20 and 60 steps: flat, then falling for ρ above 0.4 after 60 steps.",
)

# %% [markdown]
# After 20 steps, a little imitation has helped. After 60 steps the curve is flat from almost no imitation up to the full
# objective's 0.359. It falls for larger ρ: "without exploration" is far behind. This holds for this bandit, not in
# general: [tutorial 7](07_when_the_reference_helps.py) is about when the reference helps.
#
# The paper's numbers for Moonlight rise and fall with ρ, as expected from one setting with one best value. Qwen's fall
# and rise again, by more than twice the error of a difference (√2 times a row's). So either Qwen's curve has two maxima,
# or something other than the objective (seeds, clipping, tuning) differs between the rows. Four points can't decide this.
#
# ## What was claimed

# %% tags=["claims"]
assert max(difference.values()) < 1e-12
assert parts["outputs"]["alignment"].abs().max() < 1e-12  # nothing for y
pooled = parts["with_reference"]
assert torch.allclose(pooled["alignment"], pooled["imitation"] * lam / G / beta)
assert all(abs(knob((1, *each), G) - rho_paper) < 1e-12 for each in pairs.values())
A, A_y = group_advantages(FOUR, torch.tensor(0.8))  # the slider: β moves y's bar alone
(w, w_y), (v, v_y) = (likelihood_weights(A, A_y, beta=b, lam=lam) for b in (0.5, 1))
assert torch.equal(w, v)
assert v_y > w_y
assert apart["Adam"] < 1e-4
assert apart["SGD"] > 1
assert apart["SGD, rate / 2.5"] < 1e-9
sooner, later = (found["SGD", name][0].median(1).values[20] for name in "BA")
assert sooner > later + 0.1

assert [round(each, 3) for each in rho.values()] == [0.047, 0.359, 0.5, 0.958]
assert max(distance.values()) < 1e-4  # ablations are values of ρ
assert middle[rho["full"]][20] > middle[0.0][20] + 0.02  # imitation helps early
full = middle[rho["full"]][60]
flat = (rho["without imitation"], 0.15, 0.25)
assert all(abs(middle[each][60] - full) < 0.03 for each in flat)
assert middle[rho["without exploration"]][60] < full - 0.05
qwen, moonlight = ([ABLATION[name][m] for name in ROWS] for m in (0, 1))
assert qwen[1] > qwen[2]
assert qwen[3] - qwen[2] > 2 * 2**0.5 * ERRORS["full"][0]
assert moonlight[0] < moonlight[1] > moonlight[2] > moonlight[3]

# %% [markdown]
# ## Exercises
#
# Run `make exercise 6`: it makes the file `my_answers/exercise_6.py`. Write three functions there,
# and run the command again to check them:
#
# 1. `collapsed_weights`: thm-1 for *any* advantages, from whichever pool.
# 2. `knob`: ρ, in either pool.
# 3. `same_curve`: another λ is given; which β trains the same curve under Adam? The check trains with your answer.
#
# Ours are in `tutorials/solutions/solution_6.py`.
