# %% [markdown]
# # Three terms are two
#
# Exploration, imitation and alignment reduce to two weighted likelihoods. Of the paper's two coefficients, one setting
# is left, plus a step size that Adam cancels.
#
# You need tutorial 1: the group, its advantages, the three terms of eq-3, and what a *weight* on a log-likelihood is.

# %%
import torch

from grao_ref import grao_objective, group_advantages, likelihood_weights
from theory import runs
from theory.claims.thm_1 import same_knob
from theory.knob import ROWS, knob
from theory.paper_tables import ABLATION, ERRORS
from tutorials import interactive, style

torch.set_default_dtype(torch.float64)
beta, lam, G = 0.5, 0.6, 8  # the paper's values

# %% [markdown]
# ## Collect by likelihood (thm-1)
#
# The objective of eq-3 has three terms, and each of them is a sum of numbers times log-likelihoods. So we can collect
# the factors of each log-likelihood. A sample's $J(o_i)$ gets $\hat A_i / G$ from exploration and
# $\lambda \hat A_i / G$ from alignment. The reference's $J(y)$ gets $\beta \hat A_y$ from imitation, and alignment
# subtracts $\lambda \hat A_i / G$ for each sample. That is $\lambda \bar A$ in all, where $\bar A$ is the samples' mean
# advantage. So eq-3 is
#
# $$ \sum_i w_i J(o_i) + w_y J(y) $$
#
# $$ w_i = \frac{(1 + \lambda) \hat A_i}{G} $$
#
# $$ w_y = \beta \hat A_y - \lambda \bar A $$
#
# Alignment is exploration once more, times $\lambda$, minus $\lambda \bar A$ on the reference. *Three terms are two*:
# the likelihoods of the samples, and the likelihood of the reference. This is exact. We check it on a thousand random
# groups for each pool: the three terms as printed against the two.

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
    gradients = torch.autograd.grad((three - two).sum(), (J, J_y))
    difference[pool] = max(
        each.abs().max().item() for each in (three - two, *gradients)
    )
    print(f"{pool:14} apart by at most {difference[pool]:.0e}")

# %% [markdown]
# ## What alignment does to the reference
#
# That depends on $\bar A$, and so on the pool of eq-4 (tutorial 1).
#
# - `outputs`: the advantages of the samples add up to 0, so $\bar A = 0$. Then $w_y = \beta \hat A_y$: **the
#   reference's part of the alignment term is always 0.** The term is meant to compare each sample with the reference,
#   but the reference's likelihood cancels; what is left is $\lambda$ times exploration.
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
    parts[pool] = (beta * A_y, -lam * A.mean(-1))
    print(f"{pool:14}  from alignment:", parts[pool][1].numpy().round(2) + 0.0)

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.5)
for axes, (pool, (imitation, alignment)) in zip(panels, parts.items(), strict=True):
    axes.bar(successes, imitation, 0.6, color=style.GREEN, label="imitation, β Â_y")
    axes.bar(
        successes,
        alignment,
        0.6,
        bottom=imitation,
        color=style.ORANGE,
        label="alignment, −λ Ā",
    )
    axes.set(ylabel="weight on J(y)", title=f'pool="{pool}"', ylim=(0, 1.75))
panels[0].legend(loc="upper right")
panels[1].set_xlabel("right answers among the 8 samples")
style.show(
    drawn,
    "The weight of eq-3 on the reference's mean log-likelihood. Above, alignment adds nothing in any group. Below, it adds "
    "λ/G = 0.075 to β = 0.5. (Tutorial 7 discusses the group without a right answer.)",
    alt="Stacked bars by number of right answers, for both pools; the alignment part is absent in the first and small "
    "in the second.",
)

# %% [markdown]
# From here on the reference is in the pool, which is the default of the package, and the objective is the *printed*
# one: eq-3 as in the paper. (Tutorial 7 *repairs* it; the setting `imitate_only_when_ahead`, used below, turns the
# repair on or off.)
#
# ## Try it
#
# The bars are the weights on tutorial 1's four answers and its reference. For G = 8 each answer was sampled twice, for
# G = 16 four times. Move one slider at a time:
#
# - β moves the reference's bar and no other.
# - λ makes all bars longer: the samples' by the factor $1 + \lambda$, the reference's a little, because $\lambda/G$ is
#   added to β.
# - G divides each sample's bar, because the weights are averaged over the samples. There is one reference, whatever G
#   is. With the paper's β and λ its bar even grows, because its advantage is larger in a larger pool.

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
    axes.set_title(f"ρ = {knob((1, β, λ), G):.3f}     step size × {1 + λ:g}")
    return drawn


interactive.sliders(
    draw_weights,
    {"β": [0, 0.25, 0.5, 0.75, 1], "λ": [0, 0.3, 0.6, 1, 2], "G": [4, 8, 16]},
    {"β": 0.5, "λ": 0.6, "G": 4},
    "The weights of eq-3 on one group's log-likelihoods. ρ and the step size are the next section's.",
    alt="Bars of the weights of the samples and of the reference",
)

# %% [markdown]
# ## One setting and a step size
#
# Take the common factor out. What is left between the brackets depends on one number, which we call $\rho$ (in the
# code: `knob((exploration, imitation, alignment), G)`, from the three terms' coefficients):
#
# $$ (1 + \lambda) \left( \frac1G \sum_i \hat A_i J(o_i) + \rho \hat A_y J(y) \right) $$
#
# $$ \rho = \frac{\beta + \lambda/G}{1 + \lambda} $$
#
# So $\rho$ is the weight of the reference relative to the samples. The factor $1 + \lambda$ makes the gradient longer,
# as a larger *learning rate* (the factor on each step) does. Under plain gradient ascent, *SGD*, it has no other
# effect.
#
# *Adam*, the optimiser of the paper, divides each step by the recent size of the gradient, parameter by parameter. A
# gradient that is 2.5 times as long gives the same step. So under Adam $1 + \lambda$ has no effect, and **one setting
# is left**.
#
# To test this, take two pairs (β, λ) with the same ρ. The second is (1.0625, 3), so its gradients are 4 / 1.6 = 2.5
# times as long.

# %%
pairs = {"A": (beta, lam), "B": same_knob(3.0)}
for name, (b, a) in pairs.items():
    print(f"{name}: β = {b:.4f}, λ = {a}, ρ = {knob((1, b, a), G):.6f}")

# %% [markdown]
# A *bandit* is the smallest task there is: one prompt and a few possible answers of one token. Ours has ten: the best
# (reward 1), the reference (0.7) and eight failures (0), all equally likely at first. The policy is a table of ten
# logits. The package's own loop trains 300 runs at once. The quality of a run is $V$, the expected reward (tutorial 1),
# which a table gives without sampling.

# %%
ROWS_AT_ONCE = 300


def run_bandit(steps=60, **settings):
    """V by step and run, and the tables at the end."""
    rewards, logits = runs.start(
        torch.tensor([1.0, 0.7, *[0.0] * 8]), [0.1] * 10, ROWS_AT_ONCE
    )
    config = runs.settings(
        **{"max_steps": steps, "imitate_only_when_ahead": False, **settings}
    )
    *path, last = runs.run(rewards, 1, logits, config)
    return torch.stack([each.value for each in (*path, last)]), last.theta


ADAM = {"optimizer": "adam", "learning_rate": 0.05}
SGD = {"optimizer": "sgd", "learning_rate": 0.2}
found = {}
for rule, settings in (("Adam", ADAM), ("SGD", SGD)):
    for name, (b, a) in pairs.items():
        found[rule, name] = run_bandit(imitation_coef=b, alignment_coef=a, **settings)
b, a = pairs["B"]
shorter = SGD | {"learning_rate": 0.2 * (1 + lam) / (1 + a)}
found["SGD, shorter steps", "B"] = run_bandit(
    imitation_coef=b, alignment_coef=a, **shorter
)

print("logits differ by")
for (rule, name), (_, tables) in found.items():
    against = found[rule.split(",")[0], "A"][1]
    if name == "B":
        print(f"  {rule:20} {(tables - against).abs().max():.0e}")

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.7)
LINES = {
    "A": {"color": style.SKY, "linewidth": 6, "alpha": 0.7},
    "B": {"color": style.BLACK, "linestyle": "--"},
}
for axes, rule in zip(panels, ("Adam", "SGD"), strict=True):
    for name, (b, a) in pairs.items():
        V = found[rule, name][0]
        axes.plot(V.median(1).values, label=f"β = {b:g}, λ = {a:g}", **LINES[name])
        low, high = torch.quantile(V, torch.tensor([0.25, 0.75]), dim=1)
        axes.fill_between(
            range(len(V)), low, high, color=LINES[name]["color"], alpha=0.2, linewidth=0
        )
    axes.set(ylabel="expected reward V", title=rule, ylim=(0, 1.05))
panels[0].legend(loc="lower right")
panels[1].set_xlabel("step (8 samples each)")
style.show(
    drawn,
    "Two settings of equal ρ. Under Adam each run follows the same curve with both; under SGD the second takes longer steps. Lines "
    f"are medians, bands the middle half of {ROWS_AT_ONCE} runs.",
    alt="Upper panel, Adam: the two curves coincide. Lower panel, SGD: the second rises sooner.",
)

# %% [markdown]
# Under SGD with the same learning rate, the logits of the two pairs differ by up to about 40. With the learning rate
# divided by 2.5, the second pair repeats the first up to rounding: λ acted as a learning rate. (Under Adam a difference
# in the seventh digit remains, because of its ε of 1e-8. One step, which the paper also has, would make the two pairs
# differ: clipping the gradient to a fixed norm comes before Adam and depends on the length.)
#
# So λ changes a step size, which Adam cancels, and ρ, which β changes as well.
#
# ## The paper's ablation
#
# An *ablation* leaves out a part of a method to see its effect. The paper's table-3 leaves out one term at a time
# (`ROWS` has the coefficients of each row). By thm-1 each row is a value of ρ:

# %%
rho = {name: knob(row, G) for name, row in ROWS.items()}
for name in sorted(rho, key=rho.get):
    print(f"{name:20} ρ = {rho[name]:.3f}")

# %% [markdown]
# Look at the last row. **Without exploration, the policy still explores**: alignment contains a second copy of
# exploration, times λ. Without the first copy only the balance changes: ρ goes from 0.359 to 0.958. We let the package
# leave the terms out, and compare with runs that have no alignment term and β equal to that ρ:

# %%
LEFT_OUT = {
    "full": (),
    "without imitation": ("imitation",),
    "without regulariser": ("alignment",),
    "without exploration": ("exploration",),
}
curves, apart = {}, {}
for name, terms in LEFT_OUT.items():
    ablated = run_bandit(ablate=terms, **ADAM)
    curves[rho[name]], tables = run_bandit(
        imitation_coef=rho[name], alignment_coef=0.0, **ADAM
    )
    apart[name] = (ablated[1] - tables).abs().max().item()
print("logits differ by")
for name, distance in apart.items():
    print(f"  {name:20} {distance:.0e}")

# %% [markdown]
# So the four rows are four points of one curve, $V$ as a function of ρ. A few more values of ρ show the curve:

# %%
for each in (0.0, 0.15, 0.25, 0.7, 1.2, 1.6):
    curves[each], _ = run_bandit(imitation_coef=each, alignment_coef=0.0, **ADAM)
grid = sorted(curves)
early, late = (torch.stack([curves[each][step] for each in grid]) for step in (20, 60))
print("V after 20 and 60 steps")
for name in sorted(rho, key=rho.get):
    V = curves[rho[name]].median(1).values
    print(f"  {name:20} {V[20]:.2f}  {V[60]:.2f}")

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.8)
axes = panels[0]
for V, words, colour in ((late, "60 steps", style.BLUE), (early, "20", style.SKY)):
    axes.plot(grid, V.median(1).values, "o-", color=colour, label=f"after {words}")
    low, high = torch.quantile(V, torch.tensor([0.25, 0.75]), dim=1)
    axes.fill_between(grid, low, high, color=colour, alpha=0.2, linewidth=0)
axes.set(ylabel="expected reward V", title="the bandit", ylim=(0.15, 1.0))
axes.legend(loc="lower left", ncols=2)
order = sorted(rho, key=rho.get)
for m, (model, line) in enumerate(
    {"Qwen": ("o-", style.ORANGE), "Moonlight": ("s--", style.PINK)}.items()
):
    panels[1].errorbar(
        [rho[name] for name in order],
        [ABLATION[name][m] for name in order],
        [ERRORS[name][m] for name in order],
        fmt=line[0],
        color=line[1],
        capsize=3,
        label=model,
    )
panels[1].set(
    xlabel="ρ", ylabel="NAG, %", title="the paper's table-3", xlim=axes.get_xlim()
)
panels[1].legend(loc="upper right")
for each in panels:
    for name in order:
        each.axvline(rho[name], color=style.GREY, linestyle=":", linewidth=1)
for name in order:
    words = name.replace("without ", "− ")
    panels[1].text(rho[name] + 0.01, 16, words, fontsize=10, rotation=90)
panels[1].set_ylim(15, 74)
style.show(
    drawn,
    f"Above: medians and middle half of {ROWS_AT_ONCE} runs of the bandit. Below: the paper's figures (NAG, eq-6: the share "
    "of prompts whose answer improved, on two models) at the ρ of their rows, with the error that table-1 gives for the full method.",
    alt="Upper panel: expected reward over ρ after 20 and 60 steps. Lower panel: four points for each of two models, "
    "the first falling from 0.36 to 0.5 and rising again at 0.96.",
)

# %% [markdown]
# What the upper panel shows: after 20 steps, a little imitation has helped. After 60 steps the curve is flat from
# almost no imitation up to the full objective's 0.359. It falls for larger ρ: "without exploration" is far behind. This
# holds for this bandit, not in general: tutorial 7 is about when the reference helps.
#
# The lower panel has the paper's results for two models, Qwen and Moonlight. Moonlight's four points rise and fall, as
# expected from one setting with one best value. Qwen's fall and rise again, by more than twice the error of the two
# rows together. So either Qwen's curve has two maxima, or something other than the objective (seeds, clipping, tuning)
# differs between the rows. Four points can't decide this.
#
# ## What was claimed

# %%
assert max(difference.values()) < 1e-12
assert parts["outputs"][1].abs().max() < 1e-12  # alignment adds nothing to y
assert torch.allclose(parts["with_reference"][1], parts["with_reference"][0] * 0.15)
assert abs(lam / G / beta - 0.15) < 1e-12
assert abs(knob((1, *pairs["A"]), G) - knob((1, *pairs["B"]), G)) < 1e-12
pull = []  # the slider's, on the reference
for size in (4, 8, 16):
    A, A_y = group_advantages(FOUR.repeat(size // 4), torch.tensor(0.8))
    pull.append(likelihood_weights(A, A_y, beta=beta, lam=lam)[1].item())
assert pull[0] < pull[1] < pull[2]

apart_by = {
    rule: (found[rule, "B"][1] - found[rule.split(",")[0], "A"][1]).abs().max()
    for rule in ("Adam", "SGD", "SGD, shorter steps")
}
assert apart_by["Adam"] < 1e-4
assert apart_by["SGD"] > 1
assert apart_by["SGD, shorter steps"] < 1e-9
sooner, later = (found["SGD", name][0].median(1).values[20] for name in "BA")
assert sooner > later + 0.1

printed = {"full": 0.359, "without regulariser": 0.5}
printed |= {"without exploration": 0.958, "without imitation": 0.047}
assert all(abs(rho[name] - value) < 5e-4 for name, value in printed.items())
assert max(apart.values()) < 1e-4  # ablations are values of ρ
middle = {each: V.median(1).values for each, V in curves.items()}
assert middle[rho["full"]][20] > middle[0.0][20] + 0.02  # imitation helps early
full, no_imitation = middle[rho["full"]][60], middle[rho["without imitation"]][60]
assert abs(full - no_imitation) < 0.03  # flat
assert all(abs(middle[each][60] - full) < 0.03 for each in (0.15, 0.25))
assert middle[rho["without exploration"]][60] < full - 0.05
qwen, moonlight = ([ABLATION[name][m] for name in order] for m in (0, 1))
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
