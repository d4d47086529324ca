# %% [markdown]
# # When the reference helps, and when it hurts
#
# A reference pulls the policy towards itself. That helps much where it is the best answer, or where samples find nothing
# good. Where something better can be found it costs time, or traps the policy. This page draws the map.
#
# You need tutorial 1, the bandit of tutorial 4 (with GRPO and GRAO), and
# [tutorial 5](05_groups_that_teach_nothing.py): a group of failures moves GRAO, not GRPO. Tutorial 6 calls the
# reference's weight relative to the samples' $\rho$.

# %%
import numpy as np
import torch
from scipy.integrate import solve_ivp

from theory import runs
from theory.exact import ExactBandit
from tutorials import interactive, style

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## How to compare two methods fairly
#
# Our bandit has three answers: the best (reward 1), the reference (we vary its reward) and a failure (0). The first two
# start with the same small probability $p$. We count the steps until $V \ge 0.9$, which only the best answer makes
# possible.
#
# That number depends on the learning rate, and GRAO's gradients are longer (tutorial 6). With one rate for both, the
# result would depend on which method the rate suits. So each method runs at six rates, 300 runs each, and its own best
# rate counts. There are two measures: the steps until half of the runs have $V \ge 0.9$, and until nine of ten have it,
# because a median does not describe the slow runs. For each measure, the rate is chosen on the first half of the runs,
# and the number comes from the second half. (On the first half, the best rate is in part the luckiest.)

# %%
BEST, GOOD = 0, 1  # indices of the answers; GOOD is the reference
RATES = (0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
RUNS, STEPS, p = 300, 120, 0.02


def run_waits(method, quality, p, wrong=1, rates=RATES, steps=STEPS, all_rates=True):
    """Steps until V >= 0.9, (rates, runs); infinite where a run is not there in time.

    Once 98 % of its runs are there, a rate is stopped; without `all_rates` the others too, as none can be the fastest.
    """
    table = torch.tensor([1.0, quality, *[0.0] * wrong])
    shares = [p, p, *[(1 - 2 * p) / wrong] * wrong]
    rewards, logits = runs.start(table, shares, RUNS)
    config = runs.settings(method=method, max_steps=steps)
    first = torch.full((len(rates) * RUNS,), torch.inf)
    going = torch.ones(len(rates), dtype=torch.bool)
    for step in runs.run_at(rates, rewards, GOOD, logits, config, going):
        here = first.isinf() & (step.value >= 0.9)
        first = torch.where(here, float(step.step), first)
        going &= first.view(len(rates), -1).isfinite().double().mean(1) < 0.98
        if not going.any() or not (all_rates or going.all()):
            break
    return first.view(len(rates), -1).numpy()


def run_quantile(waits, share):
    return np.quantile(waits, share, axis=-1, method="higher")


def run_tuned(waits, share):
    """Rate, and steps: chosen on one half of the runs, measured on the other."""
    which = run_quantile(waits[:, : RUNS // 2], share).argmin()
    return RATES[which], run_quantile(waits[which, RUNS // 2 :], share)


waits = {("GRPO", quality): run_waits("grpo", quality, p) for quality in (0.7, 1.0)}
waits |= {("GRAO", quality): run_waits("grao", quality, p) for quality in (0.7, 1.0)}

# %% tags=["table"]
rows = []
for (name, quality), each in waits.items():
    for words, q in (("half of the runs", 0.5), ("nine of ten", 0.9)):
        cells = [f"{n:.0f}" if n < STEPS else "not" for n in run_quantile(each, q)]
        rows.append([f"{name}, R(y) = {quality:g}: {words}", *cells])
style.table(["steps until V ≥ 0.9", *(f"rate {rate:g}" for rate in RATES)], rows)

# %%
print("at the best rate      half    nine of ten")
for (name, quality), rows in waits.items():
    cells = [run_tuned(rows, q) for q in (0.5, 0.9)]
    print(f"{name}, R(y) = {quality:g}", *(f"{n:7.0f} ({rate:g})" for rate, n in cells))

# %% [markdown]
# ("not": not within 120 steps. In brackets: the rate.) GRPO never reads the reference. But if $R(y) = 1$, there are two
# best answers, so its number changes as well.
#
# - **The reference is the best answer:** GRAO needs less than half of GRPO's steps, at every rate.
# - **The reference can be beaten:** at the smallest rate GRAO is ahead. But GRPO can use a larger rate than GRAO, and with
#   the best rate for each method GRPO is ahead. (For half of the runs GRPO's best rate is the largest that we tried: more
#   rates could only help it.)
#
# ## The map
#
# The same for three rewards of the reference and three starts: GRAO's steps divided by GRPO's, for nine of ten runs, each
# at its own best rate. Below 1 (blue), GRAO needs fewer steps.

# %%
STARTS, QUALITIES = (0.1, 0.02, 0.005), (0.3, 0.7, 1.0)
ratio = np.zeros((3, 3))
for i, j in np.ndindex(3, 3):
    cell = {"quality": QUALITIES[j], "p": STARTS[i], "all_rates": False}
    steps = [run_tuned(run_waits(name, **cell), 0.9)[1] for name in ("grao", "grpo")]
    ratio[i, j] = steps[0] / steps[1]

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.0)
shades = style.diverging(style.BLUE, style.ORANGE)
axes.imshow(np.log2(ratio), cmap=shades, vmin=-3, vmax=3, aspect="auto")
for (i, j), each in np.ndenumerate(ratio):
    axes.text(j, i, f"{each:.2g}", ha="center", va="center", size=13)
axes.set_xticks(range(3), [f"{each:g}" for each in QUALITIES])
axes.set_yticks(range(3), [f"{100 * each:g} %" for each in STARTS])
axes.set(xlabel="reward of the reference (the best answer: 1)")
axes.set(ylabel="probability at the start")
axes.grid(visible=False)
style.show(
    drawn,
    "Steps of GRAO over steps of GRPO, until nine of ten runs have V ≥ 0.9. Blue: GRAO is faster; orange: GRPO is. A row is "
    "the start of both the best answer and the reference.",
    alt="A map of three starts by three qualities: GRAO is ahead where the reference is the best answer, behind elsewhere.",
)

# %% [markdown]
# The *quality* of the reference decides on which side of 1 the number is. *Rarity* decides how much. In the right column
# the reference is the best answer, and GRAO's lead grows as success becomes rarer. In the other two the reference can be
# beaten, and GRAO is behind. (The laboratory's exp-map has more cells, exact intervals and other costs, and agrees.)
#
# ## The detour, and the trap
#
# Where is the time lost? We follow one slow run of each method, the one that nine of ten runs beat, at the rate that is
# best for it. $R(y) = 0.7$, $p = 0.02$.

# %%
THREE = torch.tensor([1.0, 0.7, 0.0])  # rewards of best, reference, failure
followed, detours = {}, {}
for name in ("GRPO", "GRAO"):
    rate, _ = run_tuned(waits[name, 0.7], 0.9)
    rewards, logits = runs.start(THREE, [p, p, 1 - 2 * p], RUNS)
    config = runs.settings(method=name.lower(), learning_rate=rate, max_steps=60)
    steps = list(runs.run(rewards, GOOD, logits, config))
    policy = torch.stack([step.theta.softmax(-1) for step in steps])
    arrived = torch.stack([step.value for step in steps]) >= 0.9
    wait = torch.where(arrived.any(0), arrived.double().argmax(0), 61)
    slow = wait.argsort(stable=True)[int(0.9 * RUNS)]
    followed[name] = policy[: min(int(wait[slow]), 60) + 1, slow]
    detours[name] = (policy[..., GOOD].amax(0) > 0.9).double().mean().item()
    print(f"{name}: π(y) > 0.9 at some step in {detours[name]:.0%} of the runs")

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.3)
shown = ((GOOD, "π(y)"), (BEST, "π(best answer)"))
for axes, (index, words) in zip(panels, shown, strict=True):
    for name, policy in followed.items():
        axes.plot(policy[:, index], **style.METHODS[name], label=name)
    axes.set(ylabel=words, ylim=(-0.03, 1.05))
panels[0].legend(loc="center right")
panels[1].set_xlabel("step")
style.show(
    drawn,
    "Two probabilities in one slow run of each method (rank 270 of 300), up to V ≥ 0.9.",
    alt="GRAO's run is certain of the reference for many steps before the best answer takes over.",
)

# %% [markdown]
# GRPO makes detours too: if it happens to sample the good answer first, it learns that one. GRAO's objective *leads*
# there: a group of failures pulls the policy to $y$. Once the policy is almost certain of $y$, its groups are dead, and
# it learns only from a rare sample of something better.
#
# With one failing answer the detour ends soon: that answer loses what $y$ gains, so the best answer becomes likelier
# relative to it. With more failing answers each of them loses only a part, and the best answer gains hardly anything.
# The detour becomes a trap. The share of runs with $V \ge 0.9$ within 60 steps, at the best of three rates:

# %%
CROWDS = (1, 2, 8)
arrive = {}
for name in ("GRPO", "GRAO"):
    for wrong in CROWDS:
        rows = run_waits(name.lower(), 0.7, 0.02, wrong, (0.8, 1.6, 3.2), 60)
        arrive[name, wrong] = np.isfinite(rows).mean(axis=1).max()
print("failing answers" + "".join(f"{wrong:>7}" for wrong in CROWDS))
for name in ("GRPO", "GRAO"):
    print(f"{name:15}" + "".join(f"{arrive[name, wrong]:7.0%}" for wrong in CROWDS))

# %% [markdown]
# ## Few steps, and nothing good to find
#
# Is there no use for a reference that can be beaten? There is: where success is rare and steps are few. Both good answers
# start at 0.1 %, there are 40 steps, and each method has its best of three rates.

# %%
scarce = {}
for name in ("GRPO", "GRAO"):
    rewards, logits = runs.start(THREE, [0.001, 0.001, 0.998], RUNS)
    config = runs.settings(method=name.lower(), max_steps=40)
    V = runs.last_values((0.8, 1.6, 3.2), rewards, GOOD, logits, config)
    found = (V >= 0.9).double().mean(-1).max()
    scarce[name] = V.mean(-1).max().item(), found.item()
    print(f"{name}: mean of V {scarce[name][0]:.2f}, V ≥ 0.9 in {scarce[name][1]:.0%}")

# %% [markdown]
# GRAO is far ahead in reward: it has at least its reference's answer. In finding the *best* answer it is hardly ahead.
#
# ## Try it
#
# We can remove chance: we follow the *expected* update (tutorial 4) as a *flow*, with infinitely small steps. Time is the
# learning rate times steps times $1 + \lambda$. One setting is left, $\rho$ (tutorial 6); GRPO is $\rho = 0$ with the pool
# of the samples alone. The best answer and $y$ start at 2 %.

# %% tags=["picture"]
TIME = np.linspace(0, 80, 81)


def run_flow(wrong, rho, **pool):
    """V along the expected update, whose samples have the factor 1 + λ = 1."""
    table = np.array([1.0, 0.7, *[0.0] * wrong])
    field = ExactBandit(table, GOOD, 8, rho, 0.0, only_when_ahead=True, **pool)
    start = np.log([p, p, *[(1 - 2 * p) / wrong] * wrong])
    precise = {"t_eval": TIME, "rtol": 1e-4, "atol": 1e-5}
    path = solve_ivp(lambda _, theta: field.update(theta), (0, 80), start, **precise)
    return np.array([field.value(theta) for theta in path.y.T])


FLOWS = {(r, w): run_flow(w, r) for r in (0.02, 0.1, 0.36, 1) for w in CROWDS}
OWN_POOL = {wrong: run_flow(wrong, 0.0, pool="outputs") for wrong in CROWDS}


def draw_flow(ρ, wrong):
    drawn, (axes,) = style.figure(height=2.8)
    axes.axhline(0.7, color=style.GREY, linewidth=1)
    axes.plot(TIME, OWN_POOL[wrong], **style.METHODS["GRPO"], label="GRPO")
    axes.plot(TIME, FLOWS[ρ, wrong], **style.METHODS["GRAO"], label="GRAO")
    axes.set(ylim=(0, 1.03), ylabel="expected reward V", xlabel="time")
    axes.legend(loc="lower right")
    return drawn


interactive.sliders(
    draw_flow,
    {"ρ": [0.02, 0.1, 0.36, 1], "wrong": list(CROWDS)},
    {"ρ": 0.36, "wrong": 8},
    "The flow along the expected update, with 1 to 8 failing answers (wrong). The grey line is the reference's reward. The "
    "paper's β and λ are ρ = 0.36.",
    alt="Expected reward over time for GRPO and GRAO",
)

# %% [markdown]
# With eight failing answers and ρ = 0.36 or 0.1 the policy stays at the reference's reward; with ρ = 0.02 it leaves it.
# With one failing answer GRAO is ahead. That does not contradict the map: infinitely small steps are the left edge of the
# table over learning rates, and there GRAO was ahead.
#
# ## The verdict
#
# | situation | the reference |
# | :--- | :--- |
# | it is itself the best answer | helps much, and most where success is rare |
# | samples find nothing good, and steps are few | helps: its own level within a few steps |
# | it can be beaten, and better answers are found | costs time: a detour; with many wrong answers, a trap |
#
# What happens after it has been beaten, and what can be done about the trap, is the subject of
# [tutorial 8](08_the_repair.py). All of this is about answers that share no parameters. In a language model a reference
# may make *other* good answers likelier. That needs another experiment (tutorial 10).
#
# ## What was claimed

# %% tags=["claims"]
for share in (0.5, 0.9):
    by_rate = {key: run_quantile(rows, share) for key, rows in waits.items()}
    assert np.all(by_rate["GRAO", 1.0] < 0.5 * by_rate["GRPO", 1.0])
    assert by_rate["GRAO", 0.7][0] < by_rate["GRPO", 0.7][0]  # the smallest rate
    ahead, behind = (run_tuned(waits[name, 0.7], share) for name in ("GRPO", "GRAO"))
    assert behind[1] > 1.1 * ahead[1]
    assert behind[0] < ahead[0]  # GRPO can use a larger one
assert ratio[:, 2].max() <= 0.5  # the best answer: ahead in every row
assert ratio[:, :2].min() > 1  # beatable: behind in every row
assert ratio[2, 2] < ratio[1, 2] < ratio[0, 2]  # the rarer, the larger the lead
assert detours["GRAO"] > detours["GRPO"] + 0.15
assert arrive["GRAO", 8] < 0.4 < 0.55 < arrive["GRPO", 8]
assert arrive["GRAO", 1] > 0.9
assert scarce["GRAO"][0] > scarce["GRPO"][0] + 0.25
assert scarce["GRAO"][1] < scarce["GRPO"][1] + 0.1
assert max(FLOWS[rho, 8][-1] for rho in (0.1, 0.36)) < 0.72
assert min(FLOWS[0.02, 8][-1], OWN_POOL[8][-1]) > 0.95
assert FLOWS[0.36, 1][10] > OWN_POOL[1][10] + 0.05

# %% [markdown]
# ## Exercises
#
# Run `make exercise 7`: it makes the file `my_answers/exercise_7.py`. Write two functions there, and run the command
# again to check them:
#
# 1. `expected_queries`: reward queries until the first gradient that is not 0, with a right reference in the pool or
#    without.
# 2. `who_is_first`: predict, then run. GRPO or GRAO, in four situations?
#
# Ours are in `tutorials/solutions/solution_7.py`.
