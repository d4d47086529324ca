# %% [markdown]
# # Groups that teach nothing
#
# If all answers of a group earn the same reward, their advantages are 0. How often this happens, what it costs, what a
# reference in the pool changes, and why the loss can be 0 while the policy learns.
#
# You need tutorial 1 (advantage, pool, weight) and tutorial 4 (the bandit, its runs, PPO, GRPO and GRAO).

# %%
import numpy as np
import torch
from scipy.stats import binomtest

from grao_ref import group_advantages, likelihood_weights_while_ahead
from grao_ref.equations.grpo import grpo_advantages, grpo_objective
from theory import runs
from theory.claims.thm_3 import queries, sampled_queries
from tutorials import style

torch.set_default_dtype(torch.float64)
G, beta, lam = 8, 0.5, 0.6  # the paper's values

# %% [markdown]
# ## A dead group
#
# Suppose that all eight samples are wrong, or that all are right. Nothing tells them apart: each reward is the mean,
# every advantage is 0, and so is every weight of GRPO. Such a group is *dead*. It asked for eight rewards, and it does
# not move the policy. (In code this case needs care. Because of rounding, the standard deviation of equal rewards can be
# $10^{-16}$. An `if sigma == 0` then misses a dead group, and the division makes an advantage of 1 out of a rounding
# error. The package compares the rewards with each other. The first exercise is about this bug.)

# %%
for earned in (0.0, 0.7, 1.0):
    print(f"eight times {earned}:", grpo_advantages(torch.full((G,), earned)).tolist())
three = torch.tensor([0.7, 0.7, 0.7])
sigma = (three - three.mean()).square().mean().sqrt()
print(f"three times 0.7: sigma = {sigma:.0e}, A =", grpo_advantages(three).tolist())

# %% [markdown]
# ## How often
#
# Let an answer be right (reward 1) or wrong (0), and let $p$ be the *success rate*, the probability of a right one. A
# group is dead if all its answers are right, or all are wrong (thm-3):
#
# $$ P(\text{dead}) = p^G + (1 - p)^G $$
#
# We compare this with 2,000 groups of the training loop at each of nine success rates. (The loop logs a dead group as
# `frac_reward_zero_std`: its rewards have a standard deviation of 0.)

# %%
RATES = [0.001, 0.005, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98]
MANY = 2000
tables = torch.tensor([[p, 1 - p] for p in RATES]).log().repeat_interleave(MANY, 0)


def run_one_step(method, size):
    """Which groups were dead, what they earned, and how far their tables moved."""
    batch = {"num_generations": size, "per_device_train_batch_size": size}
    config = runs.settings(method=method, max_steps=1, **batch)
    before, after = runs.run(torch.tensor([1.0, 0.0]), 0, tables, config)
    dead = after.metrics["frac_reward_zero_std"].bool()
    moved = (after.theta - before.theta).abs().amax(-1)
    return dead, after.metrics["reward"], moved


dead = {size: run_one_step("grpo", size)[0].view(-1, MANY) for size in (4, 8, 16)}
print("G = 8   formula  sampled")
for p, share in zip(RATES, dead[8].double().mean(1).tolist(), strict=True):
    print(f"p = {p:<5} {p**8 + (1 - p) ** 8:5.3f}    {share:.3f}")

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.3)
grid = 1 / (1 + np.exp(-np.linspace(-7.2, 4.2, 200)))
for size, dash in ((4, ":"), (8, "--"), (16, "-")):
    axes.plot(grid, grid**size + (1 - grid) ** size, color=style.ORANGE, linestyle=dash)
    for p, row in zip(RATES, dead[size], strict=True):
        count = int(row.sum())
        interval = binomtest(count, MANY).proportion_ci(method="wilson")
        axes.vlines(p, *interval, color=style.BLACK)
        axes.plot(p, count / MANY, "o", markersize=3.5, color=style.BLACK)
    axes.plot([], [], color=style.ORANGE, linestyle=dash, label=f"G = {size}")
axes.set_xscale("logit", one_half="½")
ticks = (0.001, 0.01, 0.1, 0.5, 0.9, 0.98)
axes.set_xticks(ticks, [f"{100 * each:g}" for each in ticks])
axes.minorticks_off()
axes.set(xlabel="success rate p, %", ylabel="P(dead)", ylim=(-0.03, 1.05))
axes.legend(loc="upper center", bbox_to_anchor=(0.62, 1))
style.show(
    drawn,
    "Lines: the formula. Dots: share of dead groups among 2,000 of the loop, with 95 % intervals (Wilson's, which suit "
    "shares near 0 and 1). At a success rate of 1 %, nine in ten groups of eight are dead.",
    alt="Probability of a dead group against the success rate for groups of 4, 8 and 16: high at both ends.",
)

# %% [markdown]
# So groups are dead where the task is too hard, and again where it has been learned. Larger groups are dead less often,
# and cost more samples.
#
# ## What the reference changes
#
# In GRAO the reference is in the pool. Eight samples of equal reward are then all *below* the reference, or all above
# it, or level with it. We give $y$ the reward 0.7, as on the bandit of tutorial 4. The weights $w$ are those of GRAO
# there: the reference's is 0 where it would be negative (`while_ahead`).

# %%
pull = {}
print("all eight earn      0     0.7       1")
for earned in (0.0, 0.7, 1.0):
    A, A_y = group_advantages(torch.full((G,), earned), torch.tensor(0.7))
    w, w_y = likelihood_weights_while_ahead(A, A_y, beta=beta, lam=lam)
    pull[earned] = A[0].item(), A_y.item(), w[0].item(), w_y.item()
for row, name in enumerate(("Â of each sample", "Â of y", "w of each", "w of y")):
    print(f"{name:16}" + "".join(f"{each[row]:8.2f}" for each in pull.values()))

# %% [markdown]
# - **All eight fail.** The reference is pushed up strongly, by 1.63, *however small its lead* $d$ over the samples is. For
#   it is $d G/(G+1)$ above the mean, and $\sigma$ is $d \sqrt G/(G+1)$. So its advantage is always $\sqrt G = 2.83$, and
#   its weight $(\beta + \lambda/G) \sqrt G = 1.63$.
# - **All eight are as good as the reference.** Every weight is 0: dead in GRAO as well. Such a group needs no perfect
#   answer; a policy that always writes $y$ is enough. This is where the runs of tutorial 4 waited.
# - **All eight beat the reference.** Each sample has a small positive weight, the reference 0. (As printed, eq-3 pushes
#   the reference down here: [tutorial 8](08_the_repair.py).)
#
# In every case the eight samples have equal weights. So **the only thing that a failed group teaches is the reference**,
# not which of the failures was closer to being right. That is useful as far as the reference is good, the subject of
# [tutorial 7](07_when_the_reference_helps.py). In the loop, where the reference is the right answer:

# %%
moved = {}
for name in ("GRPO", "GRAO"):
    silent, earned, change = run_one_step(name.lower(), G)
    moved[name] = change[silent & (earned == 0)]
    count = int((moved[name] > 0).sum())
    print(f"{name}: {count} of {len(moved[name])} failed groups move the table")

# %% [markdown]
# With a right reference, a group is dead in GRAO only if all samples are right, with probability $p^G$.
#
# ## What it costs
#
# Rewards by a model or a human cost money. Groups are independent. So the mean number of rewards (*queries*) until the
# first gradient that is not 0 is $G$ divided by the probability of a group that isn't dead. (GRAO: one more, for $y$.)

# %%
grid = np.geomspace(1e-3, 0.5, 25)
waits = {"GRPO": [queries(p, G, rescued=False) for p in grid]}
waits["GRAO"] = [queries(p, G, rescued=True) for p in grid]  # by a right reference
by_sampling = {p: sampled_queries(p, rescued=False, seeds=500) for p in (0.01, 0.1)}
for p, (mean, error) in by_sampling.items():
    exact = queries(p, G, rescued=False)
    print(f"p = {p}: GRPO {exact:.0f}, sampled {mean:.0f} ± {2 * error:.0f}")
print(f"p = 0.001: GRPO {waits['GRPO'][0]:.0f}, GRAO {waits['GRAO'][0]:.0f}")

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=2.8)
for name, wait in waits.items():
    axes.loglog(100 * grid, wait, **style.METHODS[name])
for p, (mean, error) in by_sampling.items():
    axes.errorbar(100 * p, mean, 2 * error, fmt="o", color=style.BLACK, capsize=3)
axes.text(0.4, 300, "GRPO", color=style.ORANGE)
axes.text(0.11, 9.4, "GRAO, reference right", color=style.BLUE)
axes.set_xticks([0.1, 1, 10, 50], ["0.1", "1", "10", "50"])
axes.set_yticks([10, 100, 1000], ["10", "100", "1,000"])
axes.set(xlabel="success rate p, %", ylabel="rewards to the first gradient")
style.show(
    drawn,
    "Expected rewards until the first group that isn't dead, G = 8. Dots: means of 500 runs, ± 2 standard errors.",
    alt="GRPO's wait falls from a thousand rewards at 0.1 % to eight at 50 %; GRAO's is flat at eight.",
)

# %% [markdown]
# ## While a policy learns
#
# We train the bandit of tutorial 4 again, with three methods, and count dead groups.

# %%
rewards, logits = runs.start(torch.tensor([1.0, 0.7, *[0.0] * 8]), [0.1] * 10, 500)
path, share = {}, {}
for name in ("PPO", "GRPO", "GRAO"):
    config = runs.settings(method=name.lower(), learning_rate=0.2, max_steps=200)
    path[name] = list(runs.run(rewards, 1, logits, config))
    flat = [step.metrics["frac_reward_zero_std"] for step in path[name][1:]]
    share[name] = each = (100 * torch.stack(flat).mean(-1)).tolist()
    cells = ", ".join(f"{each[k - 1]:.0f} % at step {k}" for k in (1, 30, 100, 200))
    print(f"{name}: dead {cells}")

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=2.8)
places = {"PPO": (150, 24), "GRPO": (88, 44), "GRAO": (18, 68)}
for name, each in share.items():
    axes.plot(np.arange(1, 201), each, **style.METHODS[name])
    axes.text(*places[name], name, color=style.METHODS[name]["color"], weight="bold")
axes.set(xlabel="step", ylabel="dead groups, %", ylim=(-3, 103))
style.show(
    drawn,
    "Share of 500 runs whose group of eight has equal rewards, by step (95 % intervals: at most ±5 percentage points).",
    alt="Dead groups fall from 18 % and then rise to 60 to 99 %, depending on the method; GRAO's rise first.",
)

# %% [markdown]
# At the start groups are dead because all samples fail, at the end because all are the same good answer. That is why all
# learning curves become flat. GRAO's groups are dead earlier than GRPO's: they consist of the reference.
#
# **PPO** compares a sample with its critic's prediction, not with the other samples. So an equal group still moves it,
# unless the prediction is exactly that reward. At step 10 the critic predicts more than 0, and eight failures are all
# pushed down. (The paper says that PPO discards such groups: claim-9.)

# %%
before, after = path["PPO"][9:11]
failed = after.metrics["frac_reward_zero_std"].bool() & (after.metrics["reward"] == 0)
ppo_moved = (after.theta - before.theta)[failed].abs().amax(-1)
count = int((ppo_moved > 0).sum())
print(f"PPO: {count} of {len(ppo_moved)} failed groups move the table")

# %% [markdown]
# ## The opposite case: a loss of 0, and something is learned
#
# A dead group has a gradient of 0. Do not confuse it with a *loss* of 0. (The loss is minus the objective, because
# optimisers minimise.) GRPO's log shows 0.0000 in every step while the reward rises. Let the *ratio* be an answer's
# probability now, divided by its probability when it was sampled. GRPO's objective is
#
# $$ \frac1G \sum_i r_i \hat A_i, \qquad r_i = \frac{\pi(o_i)}{\pi_{\text{old}}(o_i)} $$
#
# (plus a *clip*, tutorial 9). At the first update after sampling the policy has not changed, so every ratio is 1, and
# the objective is the mean of the advantages, which is always 0. Its *gradient* is not 0: at a ratio of 1, the gradient
# of the ratio is that of $\log \pi$, so sample $i$ is pushed with weight $\hat A_i / G$.
#
# The runs above logged this loss. We train GRPO once more, with four updates on each group (`num_iterations`; the log has
# the mean of the four). From the second update on the ratio is no longer 1: good samples have become likelier, bad ones
# less likely, and the loss is below 0. In neither case does it measure how good the policy is.

# %%
old = torch.full((4, 1), 0.1).log()
now = old.clone().requires_grad_()
A = grpo_advantages(torch.tensor([1.0, 0.0, 0.0, 0.7]))
objective = grpo_objective(now, old, A, torch.ones(4, 1, dtype=torch.bool)).mean()
objective.backward()
print("one group: value", abs(round(objective.item(), 4)), end=", ")
print("gradient", now.grad[:, 0].numpy().round(3))

again = runs.settings(method="grpo", learning_rate=0.2, max_steps=100, num_iterations=4)
updates = {"one update": path["GRPO"][1:101]}
updates["four updates"] = list(runs.run(rewards, 1, logits, again))[1:]
loss = {}
for name, steps in updates.items():
    loss[name] = np.array([step.metrics["loss"].mean().item() for step in steps])
    V = [f"{steps[k].value.mean():.2f}" for k in (0, 49, 99)]
    rounded = ", ".join(f"{abs(loss[name][k]):.4f}" for k in (0, 49, 99))
    print(f"{name}: V {', '.join(V)}, |loss| {rounded} (steps 1, 50, 100)")

# %% [markdown]
# So watch rewards on prompts that you don't train on, and the share of dead groups. Use the loss only to notice NaN.
#
# ## What was claimed

# %% tags=["claims"]
assert sigma > 0
assert not grpo_advantages(three).any()
for size, rows in dead.items():
    for p, row in zip(RATES, rows.double().mean(1).tolist(), strict=True):
        formula = p**size + (1 - p) ** size
        allowed = 4.5 * np.sqrt(formula * (1 - formula) / MANY) + 1 / MANY
        assert abs(row - formula) < allowed, (size, p)
assert 0.9 < 0.99**8 + 0.01**8 < 0.93
full = (beta + lam / G) * np.sqrt(G)  # 1.63
assert np.allclose([each[3] for each in pull.values()], [full, 0, 0])
assert np.isclose(pull[0.0][1], np.sqrt(G))
assert not any(pull[0.7])
assert pull[1.0][2] > 0
nearly = group_advantages(torch.zeros(G), torch.tensor(0.001))
weights, w_y = likelihood_weights_while_ahead(*nearly, beta=beta, lam=lam)
assert np.isclose(w_y.item(), full)  # however little it is ahead
assert torch.allclose(weights, weights[0].expand(G))  # no sample is told from another
assert not moved["GRPO"].any()
assert (moved["GRAO"] > 0.1).all()
assert waits["GRPO"][0] > 100 * waits["GRAO"][0]
for p, (mean, error) in by_sampling.items():
    assert abs(mean - queries(p, G, rescued=False)) < 4.5 * error
assert all(each[0] < 25 and each[-1] > 50 for each in share.values())
assert share["GRAO"][29] > 10 > 3 > share["GRPO"][29]
assert (ppo_moved > 0).sum() == len(ppo_moved) > 20
assert abs(objective.item()) < 1e-12
assert torch.allclose(now.grad[:, 0], A / 4)
assert now.grad.abs().min() > 0.05
assert np.abs(loss["one update"]).max() < 1e-12
assert loss["four updates"].max() < 0
assert min(steps[-1].value.mean() for steps in updates.values()) > 0.9

# %% [markdown]
# ## Exercises
#
# Run `make exercise 5`: it makes the file `my_answers/exercise_5.py`. Write four functions there, in plain Python, and
# run the command again to check them:
#
# 1. `equal_rewards`: `planted.advantages` is meant to be eq-4, and has a planted bug. Find a dead group that shows it.
# 2. `probability_dead`: the probability of a dead group, where several answers may earn the same.
# 3. `fewest_dead`: predict, then run. Which of five changes makes dead groups rarer?
# 4. `logged_loss`: the value in GRPO's log when the ratio is not 1.
#
# Ours are in `tutorials/solutions/solution_5.py`.
