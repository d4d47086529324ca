# %% [markdown]
# # A bandit learns
#
# One prompt and ten answers: what a run is, how a method moves on average, the learning curves of four methods, and what
# the reference does in the first steps.
#
# You need tutorial 1 (policy, group, reward, reference, advantage, weight, table) and the result of tutorial 2: if each
# sampled answer is pushed by its reward minus any fixed number, the push is on average the gradient of the expected
# reward. Such a number is called a *baseline*.

# %%
from math import comb

import numpy as np
import torch

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
# It is 0.17 at the start: a tenth of 1, plus a tenth of 0.7. (`theory` is this project's *laboratory*: exact computations,
# and experiments. `runs.start` takes the rewards, the probabilities at the start and the number of tables.)

# %%
RUNS, STEPS, RATE = 1000, 200, 0.2
rewards, logits = runs.start(torch.tensor([1.0, 0.7, *[0.0] * 8]), [0.1] * 10, RUNS)
BEST, REFERENCE = 0, 1  # indices of the best answer and of y
start = logits[0].numpy()
bandit = ExactBandit(rewards.numpy(), REFERENCE)
print("V at the start", round(bandit.value(start), 3))

# %% [markdown]
# ## Four methods
#
# - *SFT* (supervised fine-tuning) makes the reference likelier, and does not use rewards (eq-1).
# - *PPO* (Proximal Policy Optimization) also trains a *critic*, which learns to predict the expected reward; here it is
#   one number. An answer is pushed by its reward minus the critic's prediction. So the critic is a baseline.
# - *GRPO* (Group Relative Policy Optimization) is GRAO's exploration alone: the advantages of the samples, standardised
#   over the samples only. It does not use the reference.
# - *GRAO* is eq-3 with the weights of tutorial 1, and one change: if the weight on the reference would be negative, it is
#   0. So the reference may be pushed up, and is never pushed down. This *repair* is the default of the trainer. Tutorial
#   8 has the reason.
#
# The package's own training loop, which also trains language models, trains 1,000 tables at once. The tables share
# nothing: they are 1,000 independent *runs* with different random samples. A *step* of a run samples a group of $G = 8$
# answers, computes a direction from it, and moves the logits by the learning rate (0.2) times that direction.

# %%
METHODS = ("SFT", "PPO", "GRPO", "GRAO")


def run_sampled(name):
    """Every step of 1,000 independent runs of the package's loop."""
    config = runs.settings(method=name.lower(), learning_rate=RATE, max_steps=STEPS)
    return list(runs.run(rewards, REFERENCE, logits, config))


sampled = {name: run_sampled(name) for name in METHODS}
print("the first run of GRAO")
print("step    V   π(best)   π(y)   mean reward of its 8 samples")
for k in (0, 1, 2, 5, 20, 50, 200):
    step, pi = sampled["GRAO"][k], sampled["GRAO"][k].theta[0].softmax(-1)
    earned = f"{step.metrics['reward'][0]:.2f}" if k else ""
    print(f"{k:4}  {step.value[0]:.2f}   {pi[0]:.2f}      {pi[1]:.2f}   {earned}")

# %% [markdown]
# ## The first step
#
# The mean of a method's directions over all groups, each weighted by its probability, is the *expected update* $F$. On
# a bandit it can be computed exactly. A group's weights depend only on the number of samples of each reward. With three
# different rewards there are 10 · 9 / 2 = 45 ways to split eight samples. `ExactBandit` goes through all of them
# (*enumeration*). For PPO no enumeration is needed: by tutorial 2 its expected update is the gradient of $V$.

# %%
own_pool = {"beta": 0, "lam": 0, "pool": "outputs"}  # GRPO: no reference at all
exact = {
    "PPO": bandit.gradient,
    "GRPO": ExactBandit(rewards.numpy(), REFERENCE, **own_pool).update,
    "GRAO": ExactBandit(rewards.numpy(), REFERENCE, only_when_ahead=True).update,
}
groups, *_ = bandit.groups()
print(len(groups), "ways to split 8 samples")

first = {}
for name in ("GRPO", "GRAO"):
    moves = (sampled[name][1].theta - sampled[name][0].theta).numpy() / RATE
    error = moves.std(axis=0, ddof=1) / np.sqrt(RUNS)
    first[name] = moves, error, exact[name](start)
    print(f"{name}, on the best answer, on y and on one failure")
    print("  expected", first[name][2][:3].round(3))
    print("  sampled ", moves.mean(axis=0)[:3].round(3), "in the mean")

# %% tags=["picture"]
drawn, panels = style.figure(rows=2, height=2.6)
jitter = np.random.default_rng(0)
for axes, (name, (moves, error, expected)) in zip(panels, first.items(), strict=True):
    colour = style.METHODS[name]["color"]
    for place in range(3):
        across = place + jitter.uniform(-0.3, 0.3, 300)
        axes.plot(across, moves[:300, place], ".", color="0.72", markersize=2.5)
        axes.hlines(expected[place], place - 0.36, place + 0.36, color=colour, lw=3)
        axes.errorbar(
            place,
            moves[:, place].mean(),
            1.96 * error[place],
            fmt="o",
            color=style.BLACK,
            markersize=4.5,
            capsize=3,
        )
    axes.axhline(0, color=style.GREY, linewidth=0.8)
    axes.set_xticks(range(3), ["best answer\nR = 1", "y\nR = 0.7", "a failure\nR = 0"])
    axes.set(ylabel="push on the logit", title=name, ylim=(-0.8, 2.3))
panels[0].plot([], [], color=style.ORANGE, lw=3, label="expected, exact")
panels[0].plot([], [], "o", color=style.BLACK, label="mean of 1,000 steps")
panels[0].plot([], [], ".", color="0.6", label="single steps")
panels[0].legend(loc="upper right")
style.show(
    drawn,
    "The first step. Coloured bars: the expected update, by enumeration. Black dots: the mean of 1,000 sampled updates, "
    "with its 95 % interval. Grey dots: 300 of the single updates, spread sideways.",
    alt="For GRPO and GRAO, the expected push on the best answer, the reference and a failure; sampled means agree.",
)

# %% [markdown]
# The black dots agree with the bars. This checks the loop: the bars are an expectation over groups (eq-2). The grey dots
# are far apart. A single step is very different from the mean, because a group of eight is a small sample of ten answers.
#
# The two methods push different answers. GRPO pushes the best answer most, but only a little more than $y$. If a group
# holds one of the two and failures, dividing by $\sigma$ gives that one the same advantage, whichever it is. Only groups
# that hold both can tell them apart, and 31 % of the groups of eight do ($1 - 2 \cdot 0.9^8 + 0.8^8 = 0.307$). GRAO pushes
# the reference far more: the reference is given in every group, and does not have to be sampled.

# %% [markdown]
# On the page you can make such steps yourself: *sample a group* shows what a group of eight teaches each method, and
# *step* applies it. There, *GRAO repaired* is the GRAO of this page, and *GRAO printed* is eq-3 as it is. *Reference as
# bar* pushes a sample up by how far its reward is above a bar: the reference's reward or the group's mean, whichever is
# larger (tutorial 8).

# %% tags=["picture"]
live_bandit("eight failing answers", seed=1)

# %% [markdown]
# ## Two hundred steps
#
# The mean of $V$ over the runs, step after step:

# %%
value = {
    name: torch.stack([step.value for step in sampled[name]]).numpy()
    for name in METHODS
}
print("mean V at step" + "".join(f"{k:>8}" for k in (10, 20, 50, 100, 200)))
for name in METHODS:
    means = value[name][[10, 20, 50, 100, 200]].mean(axis=1)
    print(f"{name:14}" + "".join(f"{mean:8.3f}" for mean in means))

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.4)
places = {"SFT": (75, 0.61), "PPO": (42, 0.42), "GRPO": (24, 0.42), "GRAO": (1, 0.66)}
for name, at in places.items():
    axes.plot(value[name].mean(axis=1), **style.METHODS[name])
    axes.text(*at, name, color=style.METHODS[name]["color"], weight="bold")
axes.axhline(0.7, color=style.GREY, linewidth=1)
axes.text(STEPS, 0.715, "the reference's reward", ha="right", color=style.GREY, size=10)
axes.set(ylabel="expected reward V", ylim=(0.1, 1.03), xlabel="step (8 samples each)")
style.show(
    drawn,
    "Mean of V over 1,000 runs of each method, at one learning rate. (The 95 % intervals are at most ±0.01 wide.)",
    alt="Learning curves of SFT, PPO, GRPO and GRAO; GRAO is first at the reference's reward, GRPO passes it later.",
)

# %% [markdown]
# - **SFT ends at the reference's reward.** The reference gets all probability, so $V$ rises to 0.7 and can't pass it.
# - **PPO is slow at first, and passes the reference's reward.** Its push is not divided by the group's deviation.
# - **GRPO divides by it**, which makes early steps longer. It passes the reference's reward before step 50.
# - **GRAO has a head start.** In the first steps the reference leads it to reward 0.7. There its curve is flatter: the
#   policy is almost certain of the reference, and has to sample the best answer before it can learn it. **GRPO overtakes
#   GRAO there**, in the mean of the runs, and is ahead from step 50 to the end.
#
# All methods have one learning rate, which was tuned for none. And GRAO's weights on the samples have the factor
# 1 + λ = 1.6, which GRPO's don't have. So the figure shows how the methods move, and does not rank them. (Apart from
# the number of steps, the settings are those of `make train ARGS="--preset bandit --compare"`, which also trains DPO and
# the printed GRAO: tutorial 9.)
#
# ## The average run differs from following the average step
#
# We can also follow the expected update: a table that makes exactly the step $F$, two hundred times. For the first step
# this is the mean of the runs, by definition. For later steps it need not be, because each run is then at a different
# policy. For PPO and GRPO the mean of the runs stays close to this *exact path*. For GRAO the two separate.


# %%
def run_exact(name):
    """V of a table that makes the expected update, and nothing else, in every step."""
    theta, values = start, [bandit.value(start)]
    for _ in range(STEPS):
        theta = theta + RATE * exact[name](theta)
        values.append(bandit.value(theta))
    return np.array(values)


path = {name: run_exact(name) for name in exact}
gap = {name: np.abs(value[name].mean(axis=1) - path[name]).max() for name in exact}
for name in exact:
    print(f"{name}: mean and exact path at most {gap[name]:.3f} apart")
stuck = {name: (value[name][-1] < 0.72).mean() for name in exact}
print("runs that are still at the reference's reward (V < 0.72) at step 200:")
print(", ".join(f"{name} {share:.1%}" for name, share in stuck.items()))

# %% tags=["picture"]
drawn, panels = style.figure(rows=2, height=2.6)
for axes, name in zip(panels, ("GRPO", "GRAO"), strict=True):
    colour = style.METHODS[name]["color"]
    axes.plot(value[name][:, :25], color=colour, linewidth=0.5, alpha=0.55)
    axes.plot(value[name].mean(axis=1), color=colour, linewidth=3)
    axes.plot(path[name], color=style.BLACK, linestyle="--", linewidth=1.3)
    axes.set(ylabel="expected reward V", title=name, ylim=(0.1, 1.03))
panels[1].set(xlabel="step (8 samples each)")
for handle, text in (
    ({"color": style.BLACK, "linestyle": "--"}, "exact path"),
    ({"color": style.GREY, "linewidth": 3}, "mean of 1,000 runs"),
    ({"color": style.GREY, "linewidth": 0.5}, "the first 25 runs"),
):
    panels[0].plot([], [], label=text, **handle)
panels[0].legend(loc="lower right")
style.show(
    drawn,
    "GRPO's runs stay together. GRAO's leave the reference's reward one by one, some early, some late, a few not within "
    "200 steps.",
    alt="Two panels of single runs, their mean and the exact path; GRAO's runs leave 0.7 at different times.",
)

# %% [markdown]
# Each GRAO run leaves 0.7 when it happens to sample the best answer a few times. On the exact path, the expected update
# contains a little of the best answer *in every step*, so the path does not wait. At step 200 the median GRAO run is
# ahead of the median GRPO run. But about 3 in 100 runs are still at the reference's reward, and they pull the mean below
# GRPO's. So the mean alone does not describe a method; look at single runs too.
#
# Why does a run wait at 0.7? There nearly all its samples are the reference, so all earn the same: a group that teaches
# nothing. [Tutorial 5](05_groups_that_teach_nothing.py) is about such groups.
#
# ## What was claimed

# %% tags=["claims"]
assert np.isclose(bandit.value(start), 0.17)
assert len(groups) == comb(10, 2) == 45
assert np.isclose(1 - 2 * 0.9**8 + 0.8**8, 0.307, atol=5e-4)
for name, (moves, error, expected) in first.items():  # sampled and exact agree
    assert np.all(np.abs(moves.mean(axis=0) - expected) < 4.5 * error), name
    assert np.all(moves.std(axis=0) > 5 * error)  # a single step is not its mean
assert first["GRPO"][2].argmax() == BEST
assert first["GRPO"][2][0] < 1.5 * first["GRPO"][2][1]  # only a little more than y
assert first["GRAO"][2].argmax() == REFERENCE
assert first["GRAO"][2][1] > 2 * first["GRAO"][2][0]
# PPO's expected update is the gradient of V, though a critic is in the loop
ppo = (sampled["PPO"][1].theta - sampled["PPO"][0].theta).numpy() / RATE
error = ppo.std(axis=0, ddof=1) / np.sqrt(RUNS)
assert np.all(np.abs(ppo.mean(axis=0) - bandit.gradient(start)) < 4.5 * error)

mean = {name: value[name].mean(axis=1) for name in METHODS}
width = max(1.96 * value[n].std(axis=1).max() / np.sqrt(RUNS) for n in METHODS)
assert width < 0.0145  # ± 0.01, rounded
assert np.all(value["SFT"] < 0.7)
assert mean["SFT"][-1] > 0.67
assert np.linalg.norm(exact["GRPO"](start)) > 1.5 * np.linalg.norm(exact["PPO"](start))
assert mean["PPO"][50] < 0.5 < 0.7 < mean["GRPO"][50]
assert mean["GRPO"][-1] > mean["PPO"][-1] > 0.94
assert mean["GRAO"][20] > mean["GRPO"][20] + 0.15  # the head start
assert np.all(mean["GRPO"][50:] > mean["GRAO"][50:])
assert np.median(value["GRAO"][-1]) > np.median(value["GRPO"][-1])
assert max(gap["PPO"], gap["GRPO"]) < 0.03 < 0.05 < gap["GRAO"]
assert stuck["PPO"] == stuck["GRPO"] == 0
assert 0.01 < stuck["GRAO"] < 0.06

# %% [markdown]
# ## Exercises
#
# Run `make exercise 4`: it makes the file `my_answers/exercise_4.py`. Write three functions there, in plain Python,
# and run the command again to check them:
#
# 1. `expected_update`: GRPO's, by going through all $K^G$ groups. It is compared with that of `ExactBandit`.
# 2. `who_is_ahead`: predict, then run. Which of GRPO and GRAO is ahead after 60 steps, on each of four bandits?
# 3. `best_settings`: you may ask for 500 rewards. Which method, learning rate and group size reach a mean $V$ of 0.98?
#
# Ours are in `tutorials/solutions/solution_4.py`.
