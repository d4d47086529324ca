# %% [markdown]
# # When the reference helps, and when it hurts
#
# A reference gives a gradient where a group of samples gives none. It also pulls the policy towards itself. That helps
# much where nothing better can be found. Where something better can be found it costs time, or traps the policy.
#
# You need tutorial 1 (advantages, the pool) and tutorial 6 (the weight on the reference,
# $(\beta + \lambda/G) \hat A_y$). GRPO compares the samples only with each other: here it is GRAO without a reference.

# %%
import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.special import log_softmax

from grao_ref import (
    group_advantages,
    likelihood_weights,
    likelihood_weights_while_ahead,
)
from theory import runs
from theory.claims.thm_3 import dead, queries, sampled_queries
from theory.claims.thm_4 import limit
from theory.exact import ExactBandit, expected_update
from theory.intervals import quantile_interval
from tutorials import interactive, style

torch.set_default_dtype(torch.float64)
G, beta, lam = 8, 0.5, 0.6  # the paper's values

# %% [markdown]
# ## A group that gives no gradient (thm-3)
#
# Suppose that all eight samples are wrong. Their rewards are equal, so all advantages are 0, and so is the gradient.
# Such a group is *dead*. If the policy is right with probability $p$, a group is dead with probability
#
# $$ p^G + (1 - p)^G $$
#
# With a right reference in the pool, a group is dead only if all samples are right: $p^G$. Here are the advantages of a
# group of failures:

# %%
failed = torch.zeros(G)
alone, _ = group_advantages(failed, torch.tensor(1.0), pool="outputs")
print("without y:", alone.numpy())
for R_y in (1.0, 0.001):
    A, A_y = group_advantages(failed, torch.tensor(R_y))
    print(f"R(y) = {R_y:5}: samples {A[0]:.3f}, y {A_y:.3f}")

# %% [markdown]
# The reference's advantage is $\sqrt G = 2.83$, *whatever its lead is*: a lead of 0.001 has the same effect as a lead
# of 1. The eight samples have equal advantages, so nothing shows which of them was closer to being right. The only
# effect is to imitate the reference.
#
# How long does it take until the first gradient that is not 0? Reward queries (calls of $R$) cost money where a model
# or a human grades. Their expected number is $G$ divided by the probability of a group that isn't dead. We also sample
# it, with the package.

# %%
rates = np.geomspace(1e-3, 0.5, 25)
waits = {
    name: [queries(p, G, name == "GRAO") for p in rates] for name in ("GRPO", "GRAO")
}
by_sampling = {p: sampled_queries(p, False, 500) for p in (0.01, 0.1)}
for p, (mean, error) in by_sampling.items():
    print(
        f"p = {p}: GRPO {queries(p, G, False):.0f}, sampled {mean:.0f} ± {2 * error:.0f}"
    )
print(f"p = 0.001: GRPO {waits['GRPO'][0]:.0f}, GRAO {waits['GRAO'][0]:.0f}")

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.0)
for name, wait in waits.items():
    axes.loglog(rates, wait, **style.METHODS[name])
axes.errorbar(
    list(by_sampling),
    [mean for mean, _ in by_sampling.values()],
    [2 * error for _, error in by_sampling.values()],
    fmt="o",
    color=style.BLACK,
    capsize=3,
)
axes.text(0.004, 300, "GRPO", color=style.ORANGE)
axes.text(0.0011, 9.2, "GRAO, reference right", color=style.BLUE)
axes.set(
    xlabel="probability p of a right answer",
    ylabel="queries to the first gradient",
)
style.show(
    drawn,
    "Expected reward queries until the first group that isn't dead, G = 8. Dots: the mean of 500 sampled runs, ± 2 standard "
    "errors. (GRAO needs one more query, for R(y).)",
    alt="GRPO's wait falls from a thousand queries at p = 0.001 to eight at p = 0.5; GRAO's is flat at eight.",
)

# %% [markdown]
# This is a strong argument for the reference. But a first gradient is not yet a good policy. So we train.
#
# ## A reference that is the best answer, and one that can be beaten
#
# We use a bandit (tutorial 6) of three answers: the best (reward 1), a good one (0.7), and a failure (0). The first two
# are rare: 2 % each. We train it with two references, which we also call *teachers*: the best answer, or the good one,
# which can be beaten. We count the steps until $V \ge 0.9$, which only the best answer makes possible.
#
# The number of steps depends on the learning rate, and GRAO's gradients are longer. With one rate for all, the result
# would depend on which method the rate suits. So every method runs at six rates, from 0.4 to 12.8, 600 runs each. GRPO
# never uses the reference, so its runs count for both teachers.
#
# (GRAO here is the package's default, with a repair that is explained below, under thm-4. The printed objective takes
# about the same time here; the end of this page asserts it.)

# %%
REWARDS, RARE = [1.0, 0.7, 0.0], [0.02, 0.02, 0.96]
BEST, GOOD = 0, 1  # indices of the answers
RATES = (0.4, 0.8, 1.6, 3.2, 6.4, 12.8)


def run_path(
    reference, rate, *, rewards=REWARDS, start=RARE, rows=600, steps=100, **method
):
    """The policy by step and run, up to the step at which every run has V >= 0.9."""
    rewards, logits = runs.start(torch.tensor(rewards), start, rows)
    config = runs.settings(max_steps=steps, learning_rate=rate, **method)
    path, there = [], torch.zeros(rows, dtype=torch.bool)
    for step in runs.run(rewards, reference, logits, config):
        path.append(step.theta.softmax(-1))
        there |= step.value >= 0.9
        if there.all():
            break
    return torch.stack(path), rewards


def run_waits(path, rewards):
    """Steps until V >= 0.9; infinite where a run is not there."""
    there = path @ rewards >= 0.9
    return torch.where(there.any(0), there.double().argmax(0), torch.inf).numpy()


SWEEPS = {
    "GRPO": (GOOD, {"method": "grpo"}),
    "GRAO, best teacher": (BEST, {}),
    "GRAO, beatable teacher": (GOOD, {}),
}
paths = {
    (name, rate): run_path(reference, rate, **method)
    for name, (reference, method) in SWEEPS.items()
    for rate in RATES
}
steps = {key: run_waits(*each) for key, each in paths.items()}

# %% [markdown]
# The median does not describe the slow runs. So we also count the steps until nine of ten runs have $V \ge 0.9$. For
# each of the two measures, the rate is chosen on the first half of the runs, and the number comes from the second half.


# %%
def run_quantile(waits, share):
    return float(np.quantile(waits, share, method="higher"))


tuned, chosen = {}, {}
for name in SWEEPS:
    for share in (0.5, 0.9):
        chosen[name, share] = min(
            RATES, key=lambda rate: run_quantile(steps[name, rate][:300], share)
        )
        tuned[name, share] = run_quantile(steps[name, chosen[name, share]][300:], share)
print(f"{'steps (at rate)':15}{'median':>10}{'9 of 10':>10}")
for name in SWEEPS:
    cells = (f"{tuned[name, s]:.0f} ({chosen[name, s]:g})" for s in (0.5, 0.9))
    print(f"{name.removesuffix(' teacher'):15}", *(f"{cell:>9}" for cell in cells))

# %% tags=["picture"]
drawn, panels = style.figure(2, height=3.0)
for axes, teacher in zip(panels, ("best", "beatable"), strict=True):
    for name, label in (("GRPO", "GRPO"), (f"GRAO, {teacher} teacher", "GRAO")):
        look = style.METHODS[label]
        rows = [steps[name, rate] for rate in RATES]
        tails = [run_quantile(row, 0.9) for row in rows]
        ends = np.array([quantile_interval(row, 0.9, 0.05) for row in rows]).T
        axes.plot(RATES, tails, **look, marker="o", label=f"{label}, 9 of 10")
        axes.fill_between(
            RATES, *ends.clip(0, 200), color=look["color"], alpha=0.2, linewidth=0
        )
        middle = [run_quantile(row, 0.5) for row in rows]
        axes.plot(RATES, middle, color=look["color"], lw=1, marker=".", label="median")
    axes.set(xscale="log", yscale="log", ylim=(0.8, 160), title=f"{teacher} teacher")
    axes.set_ylabel("steps to V ≥ 0.9")
    axes.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    axes.minorticks_off()
panels[1].legend(loc="lower left", ncols=2)
panels[1].set_xlabel("learning rate")
style.show(
    drawn,
    "Steps of 8 samples until V ≥ 0.9, by learning rate: nine of ten runs (band: 95 % interval) and the median, 600 runs "
    "each. A line ends where 100 steps, the length of the runs, were not enough.",
    alt="Above, GRAO's lines lie far below GRPO's at every rate. Below, GRAO's are lower at small rates only; the lowest "
    "point of GRPO's is lower than that of GRAO's.",
)

# %% [markdown]
# What the figure shows:
#
# - **The best teacher:** GRAO needs less than half of GRPO's steps, at every rate.
# - **The beatable teacher:** at a learning rate of 0.4 GRAO is ahead in both measures, and at 0.8 in the median. But
#   GRPO can use a larger learning rate than GRAO. With the best rate for each method, GRPO is ahead in both columns of
#   the table. (GRPO's median is best at the edge of the grid: more rates could only help it.)
#
# ## A detour
#
# Where is the time lost? We follow single runs, at each method's own best rate: the median run, and the one that nine
# of ten runs beat.

# %%
MINE = {"GRPO": "GRPO", "GRAO": "GRAO, beatable teacher"}
followed, detours = {}, {}
for label, name in MINE.items():
    key = name, chosen[name, 0.9]
    policy, order = paths[key][0], np.argsort(steps[key], kind="stable")
    for words, rank in (("median run", 300), ("run 540 of 600", 540)):
        last = int(min(steps[key][order[rank]], len(policy) - 1))
        followed[label, words] = policy[: last + 1, order[rank]]
    detours[label] = (policy[..., GOOD].amax(0) > 0.9).double().mean().item()
for label, share in detours.items():
    print(f"{label}: π(y) > 0.9 at some step in {share:.0%}")

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.7)
for axes, words in zip(panels, ("median run", "run 540 of 600"), strict=True):
    for label in MINE:
        policy = followed[label, words]
        line = style.METHODS[label]["linestyle"]
        axes.plot(policy[:, BEST], color=style.BLUE, linestyle=line)
        axes.plot(policy[:, GOOD], color=style.GREEN, linestyle=line)
    axes.set(ylabel="probability", ylim=(-0.03, 1.05), title=words)
panels[1].set_xlabel("step")
for colour, line, words in (
    (style.BLUE, "-", "best answer"),
    (style.GREEN, "-", "good answer, y"),
    (style.GREY, "-", "GRAO"),
    (style.GREY, "--", "GRPO"),
):
    panels[1].plot([], [], color=colour, linestyle=line, label=words)
panels[1].legend(loc="center", bbox_to_anchor=(0.33, 0.5))
style.show(
    drawn,
    "Two runs of each method, chosen by rank among 600, each up to V ≥ 0.9, at the rate that is best for nine of ten.",
    alt="Probabilities of the best and the good answer by step; GRAO's runs climb to the good answer first and change "
    "over later.",
)

# %% [markdown]
# GRPO makes detours too: if it happens to sample the good answer first, it learns that one. GRAO's objective *leads*
# there: a group of failures pulls the policy to $y$. Once the policy is almost certain of $y$, nearly all its samples
# are $y$, all rewards are equal, and the group is dead again. Then the policy learns only from a rare sample of
# something better.
#
# ## From a detour to a trap
#
# With three answers there is one failing answer, and it loses what $y$ gains. So the best answer becomes likelier
# relative to the failing one, too. With eight failing answers of 12 % each, each of them loses an eighth of that, and
# the best answer gains hardly anything. We train again, at three rates, for 100 steps.

# %%
MANY = {"rewards": [1.0, 0.7, *[0.0] * 8], "start": [0.02, 0.02, *[0.12] * 8]}
trapped = {}
for label, method in (("GRPO", {"method": "grpo"}), ("GRAO", {})):
    for rate in (0.8, 1.6, 3.2):
        path, rewards = run_path(GOOD, rate, rows=300, **MANY, **method)
        trapped[label, rate] = np.isfinite(run_waits(path, rewards)).mean()
for (label, rate), share in trapped.items():
    print(f"{label}, rate {rate}: {share:.0%} have V ≥ 0.9")

# %% [markdown]
# At each of these rates, a minority of GRAO's runs reaches $V \ge 0.9$, and a majority of GRPO's does.
#
# ## Try it
#
# We can remove chance: we take the *expected* update, the sum over every possible group, and follow it as a *flow*,
# with infinitely small steps. Time is the learning rate times steps times $1 + \lambda$, because that factor is a step
# size too (tutorial 6).

# %% tags=["picture"]
FLOWS = {}
FIELDS = {
    "GRPO": {"beta": 0.0, "lam": 0.0, "pool": "outputs"},
    "GRAO printed": {},
    "GRAO": {"only_when_ahead": True},
}
TIME = np.linspace(0, 80, 161)


def run_flow(wrong, G, **field):
    """V and log π(y) along the expected update."""
    key = wrong, G, *field.items()
    if key not in FLOWS:
        share = [0.02, 0.02, *[0.96 / wrong] * wrong]
        bandit = ExactBandit(np.array([1.0, 0.7, *[0.0] * wrong]), GOOD, G, **field)
        theta = solve_ivp(
            lambda _, theta: bandit.update(theta) / (1 + bandit.lam),
            (0, TIME[-1]),
            np.log(share),
            t_eval=TIME,
            rtol=1e-4,
            atol=1e-5,
        ).y
        logs = log_softmax(theta, axis=0)
        FLOWS[key] = np.stack([bandit.rewards @ np.exp(logs), logs[GOOD]])
    return FLOWS[key]


def draw_flow(β, λ, G, wrong):
    drawn, panels = style.figure(2, height=2.2)
    for name, field in FIELDS.items():
        path = run_flow(wrong, G, **({"beta": β, "lam": λ} | field))
        for axes, values in zip(panels, path, strict=True):
            axes.plot(TIME, values, **style.METHODS[name], label=name)
    panels[0].axhline(0.7, color=style.GREY, linestyle=":", linewidth=1)
    panels[0].set(ylim=(0, 1.03), ylabel="expected reward V")
    panels[1].set(ylim=(-21, 1), ylabel="log π(y), nats", xlabel="time")
    panels[1].legend(loc="lower right")
    return drawn


interactive.sliders(
    draw_flow,
    {"β": [0, 0.02, 0.1, 0.5], "λ": [0, 0.6], "G": [2, 8], "wrong": [1, 8]},
    {"β": 0.5, "λ": 0.6, "G": 8, "wrong": 8},
    "The flow along the expected update. The best and the good answer begin at 2 %, the wrong ones (1 or 8) share the rest. The dotted "
    "line is the reference's reward. GRAO is the repaired objective.",
    alt="Expected reward and log-likelihood of the reference over time for GRPO, GRAO printed and GRAO",
)

# %% [markdown]
# Try eight wrong answers, and move β from 0.5 down to 0. At 0.1 the policy is still trapped. It is trapped even at 0,
# because λ = 0.6 adds imitation too ($\lambda / G$, tutorial 6). With λ = 0 and β = 0.02 the policy leaves the trap.
#
# With one wrong answer GRAO is ahead, and its lead is larger for the smaller group, because GRPO's small groups are
# dead more often. That does not contradict the tuned runs above: a flow has infinitely small steps, which corresponds
# to the left edge of the plot over learning rates, and there GRAO was ahead. The lower panel belongs to thm-4, two
# sections below.
#
# ## Where samples find nothing good
#
# Now both good answers are rarer, 0.1 % each, and the teacher can still be beaten. There are three answers and 120
# steps. At each number of steps, each method has the rate that is best for that number.

# %%
scarce = {}
for label, method in (("GRPO", {"method": "grpo"}), ("GRAO", {})):
    values = []
    for rate in (0.8, 1.6, 3.2, 6.4):
        rewards, logits = runs.start(torch.tensor(REWARDS), [0.001, 0.001, 0.998], 300)
        config = runs.settings(max_steps=120, learning_rate=rate, **method)
        values.append(runs.values(rewards, GOOD, logits, config))
    scarce[label] = torch.stack(values)  # (rates, steps, runs)
print("mean of V, and share of runs with V ≥ 0.9")
for step in (40, 120):
    for label, V in scarce.items():
        mean = V[:, step].mean(-1).max()
        passed = (V[:, step] >= 0.9).double().mean(-1).max()
        print(f"{step:3} steps, {label}: {mean:.2f}, ≥ 0.9 {passed:.0%}")

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.5)
measures = ("mean of V", "share of runs with V ≥ 0.9")
for axes, words, measure in zip(
    panels, measures, (lambda V: V, lambda V: (V >= 0.9).double()), strict=True
):
    for label, V in scarce.items():
        each = measure(V)
        mean, which = each.mean(-1).max(0)
        error = 2 * each.std(-1).gather(0, which[None])[0] / 300**0.5
        axes.plot(mean, **style.METHODS[label], label=label)
        axes.fill_between(
            range(len(mean)),
            mean - error,
            mean + error,
            color=style.METHODS[label]["color"],
            alpha=0.2,
            linewidth=0,
        )
    axes.set(ylabel=words, ylim=(0, 1.02))
panels[0].legend(loc="lower right")
panels[1].set_xlabel("step (8 samples each)")
style.show(
    drawn,
    "Good answers at 0.1 %. Each point at the best of four rates; bands are ± 2 standard errors of 300 runs.",
    alt="Above, GRAO's mean V is at 0.7 within a few steps, GRPO's climbs slowly. Below, the shares that reach 0.9 climb "
    "together.",
)

# %% [markdown]
# With few steps GRAO is far ahead in reward, because it has at least its teacher's answer, while most GRPO runs have
# found nothing. In the share of runs that find the *best* answer GRAO has no lead.
#
# ## The gradient that never vanishes (thm-4)
#
# What happens after the policy has passed its teacher? It is certain of the best answer: eight samples with reward 1,
# and a reference with 0.7 in the pool. This is the group of failures with the opposite sign: the reference's advantage
# is $-\sqrt G$, whatever the gap is.

# %%
passed = torch.ones(G)
A, A_y = group_advantages(passed, torch.tensor(0.7))
_, w_y = likelihood_weights(A, A_y, beta=beta, lam=lam)
_, repaired = likelihood_weights_while_ahead(A, A_y, beta=beta, lam=lam)
print(f"Â_y = {A_y:.3f}")
print(f"w_y = {w_y:.3f} printed, {repaired:.0f} repaired")

# %% [markdown]
# So the printed objective pushes $\log \pi(y)$ down at full strength, without end. The length of the expected update
# $F$ does not go to 0 but to
#
# $$ (\beta + \lambda/G) \sqrt G \sqrt 2 $$
#
# which is 0.575 · 2.83 · 1.41 = 2.3 here. (The last factor is the length of the gradient of $\log \pi(y)$ with respect
# to the logits: 1 for $y$ and −1 for the answer that is certain. If several best answers share the probability, it is
# smaller, but above 1.) On the way the update is shorter: it tends to this length from below. The paper proves that its gradient goes to 0
# (claim-1); the proof needs an objective that is bounded above, and $-\log \pi(y)$ is not.
#
# The *repair* imitates the reference only while it is ahead. It replaces $w_y$ by $\max(w_y, 0)$, and changes nothing
# else. (Replacing $\hat A_y$ by $\max(\hat A_y, 0)$ would not be enough: alignment's share, $\lambda \hat A_y / G$,
# would remain.) In a config it is `imitate_only_when_ahead`, the default of the trainer. The default of the package's
# equations is the printed form.

# %%
gaps = np.linspace(0, 24, 25)
lengths = {
    name: [
        np.linalg.norm(
            expected_update(
                [gap, 0.0, 0.0],
                REWARDS,
                GOOD,
                group_size=G,
                beta=beta,
                lam=lam,
                only_when_ahead=name == "GRAO",
            )
        )
        for gap in gaps
    ]
    for name in ("GRAO printed", "GRAO")
}
print(f"limit {limit(beta, lam, G):.2f}")
for name, length in lengths.items():
    print(f"{name}: {length[-1]:.2g}")

# %% [markdown]
# The same in training: 300 runs that begin with 95 % on the best answer, 200 steps at a learning rate of 0.2.

# %%
after = {}
for name, repair in (("GRAO printed", False), ("GRAO", True)):
    rewards, logits = runs.start(torch.tensor(REWARDS), [0.95, 0.03, 0.02], 300)
    config = runs.settings(max_steps=200, imitate_only_when_ahead=repair)
    path = list(runs.run(rewards, GOOD, logits, config))
    after[name] = {
        "log π(y)": torch.stack([each.theta.log_softmax(-1)[:, GOOD] for each in path]),
        "loss": torch.stack([each.metrics["loss"] for each in path[1:]]),
        "V": torch.stack([each.value for each in path]),
    }
print(f"{'at step':17}{'V':>5}{'log π(y)':>9}{'loss':>7}")
for name, measured in after.items():
    V, logs, loss = (measured[key].mean(-1) for key in ("V", "log π(y)", "loss"))
    for k in (100, 200):
        print(f"{name:12} {k}{V[k]:6.2f}{logs[k]:9.1f}{loss[k - 1]:7.1f}")

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.6)
for name, line in lengths.items():
    panels[0].semilogy(gaps, line, **style.METHODS[name])
panels[0].set(
    xlabel="logit of the best answer above the others",
    ylabel="length of F",
    ylim=(1e-9, 30),
)
panels[0].text(13, 0.25, "printed", color=style.RED)
panels[0].text(5, 1e-6, "repaired", color=style.BLUE)
for name, measured in after.items():
    rows = measured["log π(y)"]
    panels[1].plot(rows.median(-1).values, **style.METHODS[name])
    low, high = torch.quantile(rows, torch.tensor([0.05, 0.95]), dim=-1)
    panels[1].fill_between(
        range(len(rows)),
        low,
        high,
        color=style.METHODS[name]["color"],
        alpha=0.2,
        linewidth=0,
    )
panels[1].set(xlabel="step", ylabel="log π(y), nats")
style.show(
    drawn,
    "Above: length of the expected update as the policy grows certain of the best answer. Below: log-likelihood of "
    "the reference in training; medians and the middle 90 % of 300 runs.",
    alt="The printed update levels off at 2.3, the repaired falls to nothing; the reference's log-likelihood falls in a "
    "straight line as printed and stays up when repaired.",
)

# %% [markdown]
# The printed loss (minus the objective) falls without end, while V does not change: only the log-likelihood of the
# reference falls, by the same amount in each step. In a table this harms no other answer, because answers share no
# parameters. In a language model they share weights, and every step makes a good human answer less likely.
#
# ## The verdict
#
# | situation | the reference |
# | :--- | :--- |
# | it is itself the best answer | helps much: less than half of the steps |
# | samples find nothing good, and steps are few | helps: the teacher's level within a few steps |
# | it can be beaten, and better answers are found | costs time: a detour; with many wrong answers, a trap |
# | it has been beaten | printed: pushed down without end; repaired: weight 0 |
#
# All of this is about answers that share no parameters. In a language model a reference may do what it can't do in a
# table: make *other* good answers likelier. That needs another experiment (tutorial 10).
#
# ## What was claimed

# %%
assert alone.abs().max() == 0
for p in (0.02, 0.3):
    assert abs(dead(p, G, "outputs") - (p**G + (1 - p) ** G)) < 1e-12
    assert abs(dead(p, G, "with_reference") - p**G) < 1e-12
weak, strong = (group_advantages(failed, torch.tensor(r))[1] for r in (0.001, 1.0))
assert abs(weak - strong) < 1e-9
assert abs(strong - G**0.5) < 1e-9
assert waits["GRPO"][0] > 100 * waits["GRAO"][0]
for p, (mean, error) in by_sampling.items():
    assert abs(mean - queries(p, G, False)) < 4.5 * error

good, hard = "GRAO, best teacher", "GRAO, beatable teacher"
for rate in RATES:  # the best teacher, at every rate
    for share in (0.5, 0.9):
        assert run_quantile(steps[good, rate], share) < 0.5 * run_quantile(
            steps["GRPO", rate], share
        )
for share in (0.5, 0.9):  # the beatable one: behind when tuned, ahead when not
    assert tuned[hard, share] > 1.1 * tuned["GRPO", share]
    slow = [run_quantile(steps[name, 0.4], share) for name in (hard, "GRPO")]
    assert slow[0] < slow[1]
    assert (
        RATES[0] < chosen[hard, share] < RATES[-1]
    )  # no rate beyond the grid helps it
medians = [run_quantile(steps[name, 0.8], 0.5) for name in (hard, "GRPO")]
assert medians[0] < medians[1]
printed = run_path(GOOD, chosen[hard, 0.9], imitate_only_when_ahead=False)
assert 0.75 < run_quantile(run_waits(*printed), 0.9) / tuned[hard, 0.9] < 1.33
assert detours["GRAO"] > detours["GRPO"] + 0.15

few, many = (
    max(value for (label, _), value in trapped.items() if label == name)
    for name in ("GRAO", "GRPO")
)
assert few < 0.4
assert many > 0.6

pulled = {"lam": lam, "only_when_ahead": True}
free = {"beta": 0.02, "lam": 0, "only_when_ahead": True}
assert run_flow(8, G, beta=0.1, **pulled)[0][-1] < 0.72
assert run_flow(8, G, beta=0, **pulled)[0][-1] < 0.72
assert run_flow(8, G, **free)[0][-1] > 0.95
assert run_flow(8, G, **FIELDS["GRPO"])[0][-1] > 0.95
lead = {
    size: run_flow(1, size, beta=beta, **pulled)[0][20]
    - run_flow(1, size, **FIELDS["GRPO"])[0][20]
    for size in (2, G)
}
assert lead[2] > lead[G] > 0.05

early = {label: V[:, 40].mean(-1).max() for label, V in scarce.items()}
assert early["GRAO"] > early["GRPO"] + 0.25
for step in (40, 120):
    found = {
        label: (V[:, step] >= 0.9).double().mean(-1).max()
        for label, V in scarce.items()
    }
    assert found["GRAO"] < found["GRPO"] + 0.1

assert abs(limit(beta, lam, G) - 2.3) < 1e-9
assert abs(lengths["GRAO printed"][-1] / 2.3 - 1) < 1e-6
assert lengths["GRAO"][-1] < 1e-8
assert abs(w_y + 0.575 * G**0.5) < 1e-9
assert repaired == 0
fall = after["GRAO printed"]["log π(y)"].mean(-1)
slope = (fall[200] - fall[100]) / 100
assert abs(slope / (-2 * 0.2 * 0.575 * G**0.5) - 1) < 0.05  # a straight line
kept = after["GRAO"]["log π(y)"].mean(-1)
assert abs(kept[200] - kept[100]) < 0.1 * abs(fall[200] - fall[100])
loss, V = (after["GRAO printed"][key].mean(-1) for key in ("loss", "V"))
assert loss[199] < loss[99] - 10
assert abs(V[200] - V[100]) < 0.01

# %% [markdown]
# ## Exercises
#
# Run `make exercise 7`: it makes the file `my_answers/exercise_7.py`. Write three functions there,
# and run the command again to check them:
#
# 1. `expected_queries`: reward queries until the first gradient that is not 0, with a right reference in the pool or
#    without.
# 2. `repaired_weight`: the repaired weight on the reference's log-likelihood, for any advantages.
# 3. `never_vanishes`: the length to which the printed update tends.
#
# Ours are in `tutorials/solutions/solution_7.py`.
