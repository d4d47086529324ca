# %% [markdown]
# # A bandit learns
#
# One prompt, ten answers, five methods: the expected learning curve of each method, computed exactly, and a thousand
# sampled runs to compare with it. Also: groups of samples that give no gradient, and a loss that is 0 while the policy
# learns.
#
# You need tutorial 1: policy, group, reward, reference, advantage, table. Of tutorial 6 you need only the result:
# GRAO's three terms reduce to weights on the samples and on the reference (thm-1).

# %%
from math import comb, log10

import numpy as np
import torch
from scipy.stats import binomtest

from grao_ref import group_advantages, likelihood_weights
from grao_ref.equations.grao import likelihood_weights_while_ahead
from grao_ref.equations.grpo import grpo_advantages, grpo_objective
from theory import runs
from theory.exact import ExactBandit
from tutorials import style
from tutorials.live_bandit import live_bandit

# %% [markdown]
# ## The bandit
#
# A *bandit* is the smallest task that can be learned by trying: one prompt, $K$ possible answers, each with a fixed
# reward. (The name comes from a slot machine with one arm per answer.) Ours has ten answers: the best (reward 1), the
# reference (0.7) and eight failures (0). The policy is a table with one logit for each answer. At the start each has a
# probability of 10 %.
#
# An answer here is one token long, so every equation of tutorial 1 applies as it is. Because there are only ten
# answers, we can compute the *expected reward* of a policy without sampling:
#
# $$ V = \sum_a \pi(a) R(a) $$
#
# It is 0.17 at the start: a tenth of 1, plus a tenth of 0.7.

# %%
ROWS, STEPS, RATE = 1000, 200, 0.2
rewards, logits = runs.start(torch.tensor([1.0, 0.7, *[0.0] * 8]), [0.1] * 10, ROWS)
REFERENCE = 1  # the index of y
start = logits[0].numpy()
bandit = ExactBandit(rewards.numpy(), REFERENCE)
print("V at the start", round(bandit.value(start), 3))

# %% [markdown]
# ## What a method does on average
#
# A step of training samples a group of $G = 8$ answers, and moves the logits by the learning rate times a direction
# that depends on that group. The mean of these directions over all groups, each weighted by its probability, is the
# *expected update* $F$.
#
# On a bandit this mean can be computed exactly. A group's weights depend only on the number of samples of each reward,
# and with three different rewards there are 45 ways to split eight samples. `ExactBandit`, of the theory laboratory,
# goes through all of them (*enumeration*).
#
# We compare it with the package's own training loop, which also trains language models. It trains 1,000 tables at once.
# The tables share nothing: they are 1,000 independent runs with different random samples.

# %%
exact = {
    "PPO": bandit.gradient,  # of V; the reason is given below
    "GRPO": ExactBandit(
        rewards.numpy(), REFERENCE, beta=0, lam=0, pool="outputs"
    ).update,
    "GRAO": ExactBandit(rewards.numpy(), REFERENCE, only_when_ahead=True).update,
    "GRAO printed": bandit.update,
}
SETTINGS = {
    "SFT": {"method": "sft"},
    "DPO": {"method": "dpo"},
    "PPO": {"method": "ppo"},
    "GRPO": {"method": "grpo"},
    "GRAO": {"method": "grao"},
    "GRAO printed": {"method": "grao", "imitate_only_when_ahead": False},
}


def run_sampled(name, rows=ROWS, steps=STEPS, rate=RATE, **changes):
    """Every step of `rows` independent runs of the package's loop."""
    config = runs.settings(
        learning_rate=rate, max_steps=steps, **SETTINGS[name], **changes
    )
    return list(runs.run(rewards, REFERENCE, logits[:rows], config))


def run_exact(name, steps=STEPS, rate=RATE):
    """V of a table that makes the expected update, and nothing else, in every step."""
    theta, values = start, [bandit.value(start)]
    for _ in range(steps):
        theta = theta + rate * exact[name](theta)
        values.append(bandit.value(theta))
    return np.array(values)


sampled = {name: run_sampled(name) for name in exact}
groups, *_ = bandit.groups()
print(len(groups), "different groups of 8")

# %% [markdown]
# Here is the first step of two methods. *GRPO* (Group Relative Policy Optimization) is GRAO's exploration alone, and
# its pool does not include the reference. GRAO, here and below, is the repaired objective: the reference's weight is
# never negative, so the reference is imitated only while its reward is above the group's mean (thm-4, tutorial 7;
# `only_when_ahead` in the code). "GRAO printed" is the objective as the paper prints it.

# %%
first = {}
for name in ("GRPO", "GRAO"):
    moves = (sampled[name][1].theta - sampled[name][0].theta).numpy() / RATE
    error = moves.std(axis=0, ddof=1) / np.sqrt(ROWS)
    first[name] = moves, error, exact[name](start)
    print(f"{name}, on the first three logits")
    print("  expected", first[name][2][:3].round(3))
    print("  sampled ", moves.mean(axis=0)[:3].round(3), "in the mean")

# %% tags=["picture"]
drawn, panels = style.figure(rows=2, height=2.7)
for axes, (name, (moves, error, expected)) in zip(panels, first.items(), strict=True):
    places = np.arange(3)
    low, high = np.quantile(moves[:, :3], [0.05, 0.95], axis=0)
    axes.bar(places, expected[:3], width=0.5, color=style.SKY, label="expected, exact")
    axes.vlines(
        places - 0.15, low, high, color=style.GREY, label="9 of 10 single steps"
    )
    axes.errorbar(
        places,
        moves[:, :3].mean(axis=0),
        1.96 * error[:3],
        fmt="o",
        color=style.BLACK,
        capsize=4,
        label="mean of 1,000 steps",
    )
    axes.axhline(0, color=style.GREY, linewidth=0.8)
    axes.set_xticks(
        places, ["best answer\nR = 1", "reference\nR = 0.7", "a failure\nR = 0"]
    )
    axes.set(ylabel="push on the logit", title=name, ylim=(-0.5, 1.75))
panels[0].legend(loc="upper right")
style.show(
    drawn,
    "The first step. Bars: the expected update, by enumeration. Dots: the mean of 1,000 sampled updates, with its 95 % "
    "interval. Grey lines: the middle 90 % of the single updates.",
    alt="For GRPO and GRAO, the expected push on the best answer, the reference and a failure; sampled means agree.",
)

# %% [markdown]
# The dots agree with the bars. The bars are the expectation over groups of the paper's eq-2, so this checks the loop.
# The grey lines are long: a single step is very different from the mean, because a group of eight is a small sample of
# ten answers.
#
# The two methods push different answers. GRPO pushes the best answer most, but only slightly more than the reference's
# answer. Only groups that hold both can tell them apart, and 31 % of the groups of eight do
# ($1 - 2 \cdot 0.9^8 + 0.8^8 = 0.307$). GRAO pushes the reference far more, because the reference is given in every
# group and does not have to be sampled.

# %% [markdown]
# Make such steps yourself: *sample a group* shows what a group of eight teaches each method, and *step* applies it. The
# fourth method, *reference as bar*, pushes a sample up by how far it is above the better of the reference and the
# group's mean.

# %% tags=["picture"]
live_bandit("eight failing answers", seed=1)

# %% [markdown]
# ## Two hundred steps, five methods
#
# Now we follow the expected update step after step, at the same learning rate for all methods:
#
# - *SFT* (supervised fine-tuning) makes the reference likelier, and does not use rewards (eq-1)
# - *DPO* (Direct Preference Optimization) takes a pair of answers, and pushes the better one up and the worse one down;
#   here the pair is the reference and one of the failures
# - *PPO* (Proximal Policy Optimization) has a second table, the *critic*, which learns the expected reward. An answer
#   is pushed by its reward minus the critic's value. On a bandit, with one update per group, the critic is a
#   *baseline*: its value does not depend on the sampled answer, so it does not change the expected update, which is the
#   gradient of $V$ itself
# - GRPO and GRAO as above
#
# SFT and DPO sample nothing, so one run of the loop *is* the exact curve. For the other three we enumerate, and plot
# the mean of the sampled runs as well. (The settings are those of `make train ARGS="--preset bandit --compare"`, so the
# numbers are those of the project's README.)

# %%
path = {name: run_exact(name) for name in exact}
value = {
    name: torch.stack([step.value for step in sampled[name]]).numpy() for name in exact
}
for name in ("SFT", "DPO"):
    value[name] = torch.stack(
        [each.value for each in run_sampled(name, rows=1)]
    ).numpy()
    path[name] = value[name][:, 0]

print("mean V at step" + "".join(f"{k:>13}" for k in (50, 100, 200)))
for name in SETTINGS:
    rows = value[name][[50, 100, 200]]
    cells = [f"{mean:.3f}" for mean in rows.mean(axis=1)]
    if name in exact:
        errors = 1.96 * rows.std(axis=1) / np.sqrt(ROWS)
        cells = [f"{cell}±{e:.3f}" for cell, e in zip(cells, errors, strict=True)]
    print(f"{name:14}" + "".join(f"{cell:>13}" for cell in cells))

# %% tags=["picture"]
drawn, panels = style.figure(rows=2, height=3.6)
markers = {"PPO": "s", "GRPO": "^", "GRAO": "o", "GRAO printed": "D"}
for axes, every in zip(panels, (20, 10), strict=True):
    dots = np.arange(0, STEPS + 1, every)
    for name in SETTINGS:
        axes.plot(path[name], **style.METHODS[name], label=name)
        if name in exact:
            rows = value[name][dots]
            axes.errorbar(
                dots,
                rows.mean(axis=1),
                1.96 * rows.std(axis=1) / np.sqrt(ROWS),
                fmt=markers[name],
                markersize=4.5,
                capsize=3,
                color=style.METHODS[name]["color"],
            )
    axes.axhline(0.7, color=style.GREY, linewidth=1)
    axes.set(ylabel="expected reward V", ylim=(0.1, 1.03))
axes = panels[0]
axes.text(STEPS, 0.71, "the reference's reward", ha="right", color=style.GREY, size=10)
axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
panels[1].set(xlim=(15, 105), ylim=(0.55, 1.02), xlabel="step (8 samples each)")
panels[1].set_title("the same, steps 15 to 105")
style.show(
    drawn,
    "Lines: V of a table that makes the exact expected update in every step. Dots: mean of 1,000 sampled runs at the "
    "same step, with its 95 % interval (mostly smaller than the dot).",
    alt="Learning curves of SFT, DPO, PPO, GRPO and GRAO, repaired and as printed, exact and sampled.",
)

# %% [markdown]
# Where each method ends, and why:
#
# - **SFT ends at the reference's reward.** The reference gets all probability, so $V$ rises slowly to 0.7 and can't
#   pass it.
# - **DPO is slow, and goes to the same place.** It moves exactly two logits, the reference's up and the rejected
#   answer's down, by little. (The push has a coefficient, κ, here 0.1, and becomes smaller as the two probabilities
#   move apart.) The best answer is neither of the two: it always stays as likely as the seven failures that are not
#   rejected. At step 200 DPO has not arrived; with five times the learning rate it reaches 0.69.
# - **PPO is slow at first, and passes the reference's reward.** Its push is not divided by the group's deviation.
# - **GRPO divides by it**, which makes early steps longer. It passes the reference's reward before step 50.
# - **GRAO has a head start.** Then it stays on a plateau near 0.7, where the policy is almost certain of the reference,
#   until it has sampled the best answer often enough. **GRPO overtakes it there**, in the mean of the runs, and is
#   ahead from step 50 to the end.
# - **GRAO as printed** is ahead of the repaired one here, and level with GRPO within the error of 1,000 runs. In a
#   table, pushing a beaten reference down without end (thm-4, tutorial 7) harms no other answer. In a language model it
#   does; tutorial 10 shows it.
#
# There is one learning rate for all methods, tuned for none. The figure shows how the methods move, and does not rank
# them.

# %% [markdown]
# ## The average run differs from following the average step
#
# By definition, the mean of the first steps is the expected step. For later steps this need not hold, because each run
# is then at a different policy. For PPO and GRPO the mean of the runs stays close to the exact path. For GRAO the two
# separate on the plateau.

# %%
for name in ("GRPO", "GRAO"):
    gap = np.abs(value[name].mean(axis=1) - path[name])
    print(f"{name}: mean and exact path at most {gap.max():.3f} apart")
stuck = {name: (value[name][-1] < 0.72).mean() for name in exact}
for name, share in stuck.items():
    print(f"{name}: at step 200, {share:.1%} of runs have V < 0.72")

# %% tags=["picture"]
drawn, panels = style.figure(rows=2, height=2.7)
for axes, name in zip(panels, ("GRPO", "GRAO"), strict=True):
    colour = style.METHODS[name]["color"]
    low, high = np.quantile(value[name], [0.05, 0.95], axis=1)
    axes.fill_between(
        np.arange(STEPS + 1), low, high, color=colour, alpha=0.2, linewidth=0
    )
    axes.plot(value[name][:, :12], color=colour, linewidth=0.5, alpha=0.7)
    axes.plot(value[name].mean(axis=1), color=colour, linewidth=3)
    axes.plot(path[name], color=style.BLACK, linestyle="--", linewidth=1.3)
    axes.set(ylabel="expected reward V", title=name, ylim=(0.1, 1.03))
panels[1].set(xlabel="step (8 samples each)")
for handle, text in (
    ({"color": style.BLACK, "linestyle": "--"}, "exact path"),
    ({"color": style.GREY, "linewidth": 3}, "mean of 1,000 runs"),
    ({"color": style.GREY, "linewidth": 0.5}, "the first twelve runs"),
):
    panels[0].plot([], [], label=text, **handle)
panels[0].legend(loc="lower right")
style.show(
    drawn,
    "Band: the middle 90 % of 1,000 runs. GRPO's runs stay together; GRAO's leave the plateau one by one, some early, "
    "some late, a few not within 200 steps.",
    alt="Two panels of sampled runs with a band; GRAO's band spans from 0.67 to 0.95 at step 50.",
)

# %% [markdown]
# Each GRAO run leaves the plateau when it happens to sample the best answer a few times. On the exact path, the
# expected update contains a little of the best answer *in every step*. At step 200 the median GRAO run is ahead of the
# median GRPO run. But about 3 in 100 runs are still at the reference's level ($V < 0.72$), and they pull the mean below
# GRPO's. So the mean alone does not describe a method; look at the spread of the runs too.
#
# With smaller steps chance matters less, because each step changes the policy less and more samples are averaged. We
# train again with a quarter of the learning rate (0.05). After 400 steps, learning rate times steps is what it was
# after 100 steps above, so we compare these two:

# %%
small = run_sampled("GRAO", rows=300, steps=400, rate=RATE / 4)
small_path = run_exact("GRAO", steps=400, rate=RATE / 4)
small_value = torch.stack([step.value for step in small]).numpy()
small_gap = np.abs(small_value.mean(axis=1) - small_path).max()
big_gap = np.abs(value["GRAO"].mean(axis=1) - path["GRAO"])[:101].max()
behind = [(small_value[-1] < 0.72).mean(), (value["GRAO"][100] < 0.72).mean()]
print("rate 0.05, 400 steps, against rate 0.2, 100 steps")
print(f"  mean and exact path {small_gap:.3f}, {big_gap:.3f} apart")
print(f"  runs with V < 0.72 at the end {behind[0]:.1%}, {behind[1]:.1%}")

# %% [markdown]
# ## Dead groups
#
# Why do runs stay so long at the same place? Let an answer be right (reward 1) or wrong (0), and let $p$ be the
# *success rate*, the probability of a right one. If all $G$ samples earn the same reward, all their advantages are 0,
# and GRPO's gradient is 0. Such a group is *dead*. It is all right or all wrong:
#
# $$ P(\text{dead}) = p^G + (1 - p)^G $$
#
# By formula, and by 2,000 groups of the loop at each of nine success rates (thm-3):

# %%
RATES = [0.001, 0.005, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98]
MANY = 2000
right_or_wrong = torch.tensor([1.0, 0.0], dtype=torch.float64)
tables = torch.tensor([[p, 1 - p] for p in RATES], dtype=torch.float64).log()
tables = tables.repeat_interleave(MANY, 0)


def run_one_step(name, group_size):
    """Which groups were dead, what they earned, how their tables moved."""
    config = runs.settings(
        max_steps=1,
        learning_rate=RATE,
        num_generations=group_size,
        per_device_train_batch_size=group_size,
        **SETTINGS[name],
    )
    before, after = runs.run(right_or_wrong, 0, tables, config)
    return (
        after.metrics["frac_reward_zero_std"].bool(),
        after.metrics["reward"],
        after.theta - before.theta,
    )


dead = {size: run_one_step("GRPO", size)[0].reshape(-1, MANY) for size in (4, 8, 16)}
for p, share in zip(RATES, dead[8].double().mean(1).tolist(), strict=True):
    print(f"p = {p:<5} formula {p**8 + (1 - p) ** 8:.3f} sampled {share:.3f}")

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.4)
grid = 1 / (1 + np.exp(-np.linspace(-7.2, 4.2, 200)))
looks = {4: (style.SKY, ":"), 8: (style.ORANGE, "--"), 16: (style.BLACK, "-")}
for size, (colour, dash) in looks.items():
    axes.plot(grid, grid**size + (1 - grid) ** size, color=colour, linestyle=dash)
    for p, row in zip(RATES, dead[size], strict=True):
        count = int(row.sum())
        interval = binomtest(count, MANY).proportion_ci(method="wilson")
        axes.vlines(p, *interval, color=colour)
        axes.plot(p, count / MANY, "o", markersize=4, color=colour)
    axes.plot([], [], "o", color=colour, linestyle=dash, label=f"G = {size}")
axes.set_xscale("logit", one_half="½")
axes.set_xticks(
    [0.001, 0.01, 0.1, 0.5, 0.9, 0.98], ["0.1", "1", "10", "50", "90", "98"]
)
axes.minorticks_off()
axes.set(
    xlabel="success rate p, %", ylabel="probability of a dead group", ylim=(-0.03, 1.05)
)
axes.legend(loc="upper center", bbox_to_anchor=(0.62, 1))
style.show(
    drawn,
    "Lines: the formula. Dots: share of dead groups among 2,000 of the loop, with Wilson's 95 % intervals for a share. "
    "At a success rate of 1 %, nine in ten groups of eight give GRPO no gradient.",
    alt="Probability of a dead group against the success rate for groups of 4, 8 and 16: high at both ends.",
)

# %% [markdown]
# What do the methods do with a dead group? We take eight samples that are all wrong, all as good as the reference, or
# all better, with $R(y) = 0.7$ as on our bandit.

# %%
y = torch.tensor(0.7, dtype=torch.float64)
pull = {}
print(f"{'all eight earn':19}{'0':>6}{'0.7':>6}{'1':>6}")
for label, weigh in (
    ("GRAO, w_y", likelihood_weights_while_ahead),
    ("GRAO printed, w_y", likelihood_weights),
):
    pull[label] = []
    for earned in (0.0, 0.7, 1.0):
        group = torch.full((8,), earned, dtype=torch.float64)
        weights, w_y = weigh(*group_advantages(group, y), beta=0.5, lam=0.6)
        pull[label].append(w_y.item())
        assert not grpo_advantages(group).any()  # GRPO: every weight is 0
    print(f"{label:19}" + "".join(f"{each:6.2f}" for each in pull[label]))
print(f"{'GRPO, every weight':19}" + f"{0:6.2f}" * 3)

# %% [markdown]
# GRPO's weights are 0 in each case. GRAO's pool includes the reference. When all samples fail, the reference is pushed
# up at full strength: its weight is $(\beta + \lambda / G) \sqrt G$, here 1.63, *however small* its lead is. When all
# samples beat the reference, the objective as printed pushes it down with the same weight; repaired, its weight is 0.
# When all samples *are* the reference, all weights are 0. This is the cause of the plateau above.
#
# In the loop, over all nine success rates, where the reference is the right answer:

# %%
moved = {}
for name in ("GRPO", "GRAO"):
    silent, earned, change = run_one_step(name, 8)
    failed = silent & (earned == 0)
    moved[name] = change[failed].abs().amax(-1)
    count = int((moved[name] > 0).sum())
    print(f"{name}: {count} of {int(failed.sum())} failed groups give a gradient")

# %% [markdown]
# PPO compares its samples with the critic's value, not with each other. So a group of failures still gives it a
# gradient: once the critic's value is above 0, all eight samples are pushed down equally. (The paper, claim-9, says
# that PPO discards such groups.) In our 1,000 runs, at step 10:

# %%
before, after = sampled["PPO"][9:11]
failed = after.metrics["frac_reward_zero_std"].bool() & (after.metrics["reward"] == 0)
ppo_moved = (after.theta - before.theta)[failed].abs().amax(-1)
print(f"PPO: {int((ppo_moved > 0).sum())} of {int(failed.sum())} failed groups move it")

# %% [markdown]
# The next figure shows how often groups are dead while the bandit with ten answers learns. At the start groups are dead
# because all samples fail, at the end because all samples are the same answer. That is why all curves become flat: a
# policy that is certain of one answer gets eight equal rewards and learns nothing.

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.0)
for name in ("PPO", "GRPO", "GRAO", "GRAO printed"):
    share = [step.metrics["frac_reward_zero_std"].mean() for step in sampled[name][1:]]
    axes.plot(
        np.arange(1, STEPS + 1),
        100 * np.array(share),
        **style.METHODS[name],
        label=name,
    )
axes.set(xlabel="step", ylabel="dead groups, %", ylim=(-3, 103))
axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
style.show(
    drawn,
    "Share of 1,000 runs whose group of eight has equal rewards, by step (95 % intervals: about ±3 percentage points).",
    alt="Dead groups fall from 18 % and then rise towards 60 to 99 %, depending on the method.",
)

# %% [markdown]
# ## A loss that is 0
#
# Train with GRPO and watch its *loss* (minus the objective, because optimisers minimise). It is 0.0000 in every step,
# while the reward rises. This is not an error. Let the *ratio* $\rho_i$ be an answer's probability now, divided by its
# probability when it was sampled (this is not the ρ of tutorial 6). GRPO's objective is
#
# $$ \frac1G \sum_i \rho_i \hat A_i, \qquad \rho_i = \frac{\pi(o_i)}{\pi_{\text{old}}(o_i)} $$
#
# (plus a clip, tutorial 9). At the first update after sampling the policy has not changed. So every ratio is 1, and the
# objective is the mean of the advantages, which is always 0. Its *gradient* is not 0. At a ratio of 1, the gradient of
# the ratio equals the gradient of $\log \pi$, so sample $i$ is pushed with weight $\hat A_i / G$. These weights are not
# 0; only their sum is.

# %%
one_group = torch.tensor([1.0, 0.0, 0.0, 0.7], dtype=torch.float64)
old = torch.full((4, 1), 0.1, dtype=torch.float64).log()
now = old.clone().requires_grad_()
tokens = grpo_objective(
    now, old, grpo_advantages(one_group), torch.ones(4, 1, dtype=torch.bool)
)
objective = tokens.mean()
objective.backward()
print("value   ", round(objective.item(), 4) + 0.0)
print("gradient", now.grad[:, 0].numpy().round(3))

# %% [markdown]
# The loop logs the loss, here over the 1,000 runs above, and again with four updates on each group (`num_iterations`;
# the log has the mean of the four). From the second update on the ratio is no longer 1, and the loss is below 0, because
# good samples have become likelier and bad ones less likely. It rises back to 0 when there is less to learn. In neither
# case does the loss measure how good the policy is.

# %%
again = run_sampled("GRPO", rows=300, steps=100, num_iterations=4)
logged = {
    "one update per group": np.array(
        [step.metrics["loss"].mean() for step in sampled["GRPO"][1:101]]
    ),
    "four updates per group": np.array(
        [step.metrics["loss"].mean() for step in again[1:]]
    ),
}
earned = {
    "one update per group": value["GRPO"][1:101].mean(axis=1),
    "four updates per group": np.array([step.value.mean() for step in again[1:]]),
}
for name, each in logged.items():
    size = log10(np.abs(each).max())
    print(f"{name}:")
    print(f"  at most 10^{size:.0f}; V ends at {earned[name][-1]:.2f}")

# %% tags=["picture"]
drawn, panels = style.figure(rows=2, height=2.5)
for (name, each), (colour, dash) in zip(
    logged.items(), ((style.ORANGE, "--"), (style.BLACK, "-")), strict=True
):
    panels[0].plot(
        np.arange(1, 101), earned[name], color=colour, linestyle=dash, label=name
    )
    panels[1].plot(np.arange(1, 101), each, color=colour, linestyle=dash)
panels[0].set(ylabel="expected reward V", ylim=(0.1, 1.03))
panels[0].legend(loc="lower right")
panels[1].set(ylabel="logged loss", xlabel="step")
style.show(
    drawn,
    "GRPO's reward, and the loss that its log shows, mean of 1,000 and of 300 runs. The dashed loss is 0 to sixteen "
    "digits.",
    alt="Above, both curves rise to 1; below, one loss is flat at zero and the other falls below zero and comes back.",
)

# %% [markdown]
# The losses of the other methods mislead in other ways. SFT's is minus a log-likelihood; it falls, but only to a policy
# no better than the reference. The loss of GRAO as printed falls without end while the reward stays the same, because
# it falls with every step that makes the beaten reference less likely. So watch rewards on prompts that you don't train
# on, and use the loss only to notice NaN. The losses at steps 1, 100 and 200:

# %%
for name in ("GRAO", "GRAO printed"):
    losses = [sampled[name][k].metrics["loss"].mean().item() for k in (1, 100, 200)]
    print(f"{name}: {', '.join(f'{each:.1f}' for each in losses)}")

# %% [markdown]
# ## What was claimed

# %%
assert np.isclose(bandit.value(start), 0.17)
assert len(groups) == comb(10, 2) == 45
for name, (moves, error, expected) in first.items():  # sampled and exact agree
    assert np.all(np.abs(moves.mean(axis=0) - expected) < 4.5 * error), name
    assert np.all(moves.std(axis=0) > 5 * error)  # a single step is not its mean
assert first["GRPO"][2].argmax() == 0
assert first["GRAO"][2].argmax() == REFERENCE
assert first["GRAO"][2][1] > 2 * first["GRAO"][2][0]
# PPO's expected update is the gradient of V, though a critic is in the loop
ppo = (sampled["PPO"][1].theta - sampled["PPO"][0].theta).numpy() / RATE
error = ppo.std(axis=0, ddof=1) / np.sqrt(ROWS)
assert np.all(np.abs(ppo.mean(axis=0) - bandit.gradient(start)) < 4.5 * error)

end = {name: value[name][-1].mean() for name in SETTINGS}
assert np.all(value["SFT"] < 0.7)
assert end["SFT"] > 0.67
pair = run_sampled("DPO", rows=1, rate=5 * RATE)
assert 0.685 < pair[-1].value.item() < 0.7
assert torch.equal(pair[-1].theta[0, [0, 3, 4]], pair[0].theta[0, [0, 3, 4]])
assert 0.3 < end["DPO"] < 0.5
assert np.all(np.diff(path["DPO"]) > 0)
assert np.linalg.norm(exact["GRPO"](start)) > 1.5 * np.linalg.norm(exact["PPO"](start))
assert path["PPO"][50] < 0.5 < path["GRPO"][50]
assert value["GRPO"][50].mean() > 0.75
assert value["GRAO"][20].mean() > value["GRPO"][20].mean() + 0.15  # the head start
assert np.median(value["GRAO"][-1]) > np.median(value["GRPO"][-1])
means = {name: value[name].mean(axis=1) for name in exact}
assert np.all(means["GRPO"][50:] > means["GRAO"][50:])
assert end["GRAO printed"] > end["GRAO"] + 0.001
assert abs(end["GRAO printed"] - end["GRPO"]) < 0.01
assert end["GRPO"] > end["PPO"] > 0.94
gaps = {name: np.abs(value[name].mean(axis=1) - path[name]).max() for name in exact}
assert max(gaps["PPO"], gaps["GRPO"]) < 0.03 < 0.05 < gaps["GRAO"]
assert stuck["PPO"] == stuck["GRPO"] == 0
assert 0.01 < stuck["GRAO"] < 0.06
assert small_gap < 0.8 * big_gap
assert behind[0] < behind[1]

for size, rows in dead.items():
    for p, row in zip(RATES, rows.double().mean(1).tolist(), strict=True):
        formula = p**size + (1 - p) ** size
        allowed = 4.5 * np.sqrt(formula * (1 - formula) / MANY) + 1 / MANY
        assert abs(row - formula) < allowed, (size, p)
assert 0.9 < 0.99**8 + 0.01**8 < 0.93
full = (0.5 + 0.6 / 8) * np.sqrt(8)
assert np.allclose(pull["GRAO printed, w_y"], [full, 0, -full])
assert np.allclose(pull["GRAO, w_y"], [full, 0, 0])
nearly = group_advantages(torch.zeros(8).double(), torch.tensor(0.001).double())
_, w_y = likelihood_weights(*nearly, beta=0.5, lam=0.6)
assert np.isclose(w_y.item(), full)  # however little it is ahead
assert not moved["GRPO"].any()
assert (moved["GRAO"] > 0.1).all()
assert len(ppo_moved) > 50
assert (ppo_moved > 0).all()
for name in ("GRPO", "GRAO"):
    share = [
        sampled[name][k].metrics["frac_reward_zero_std"].mean() for k in (1, 30, 200)
    ]
    assert share[2] > 0.8 > 0.5 > share[0]

assert abs(objective.item()) < 1e-12
assert torch.allclose(now.grad[:, 0], grpo_advantages(one_group) / 4)
assert now.grad.abs().min() > 0.05
assert np.abs(logged["one update per group"]).max() < 1e-12
assert logged["four updates per group"].max() < 0
assert logged["four updates per group"].min() < -0.05
assert logged["four updates per group"][-1] > -0.015
assert min(each[-1] for each in earned.values()) > 0.94
assert losses[2] < losses[1] < -10  # as printed: without end
assert (
    np.median(value["GRAO printed"][-1]) - np.median(value["GRAO printed"][100]) < 0.01
)

# %% [markdown]
# ## Exercises
#
# Write three functions in `tutorials/exercises/exercise_4.py`, in plain Python, and check them with `make exercise 4`:
#
# 1. `probability_of_silence`: the probability of a dead group, where several answers may earn the same.
# 2. `expected_update`: GRPO's, by going through all $K^G$ groups. It is compared with that of `ExactBandit`.
# 3. `logged_loss`: the value in GRPO's log when the ratio is not 1.
#
# Ours are in `tutorials/solutions/solution_4.py`.
