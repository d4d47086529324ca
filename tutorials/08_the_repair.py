# %% [markdown]
# # The repair, and a better rule
#
# Once the policy is better than its reference, the objective as printed pushes the reference down without end. The
# repair stops that. It does not stop a policy from getting stuck at the reference; a rule that uses the reference as a
# bar does, within limits that this page measures.
#
# You need tutorial 1 (weights), tutorial 4 (the bandit), [tutorial 5](05_groups_that_teach_nothing.py) (dead groups),
# tutorial 6 (Adam and SGD) and [tutorial 7](07_when_the_reference_helps.py) (the detour and the trap).

# %%
import numpy as np
import torch

from grao_ref import (
    group_advantages,
    likelihood_weights,
    likelihood_weights_while_ahead,
)
from grao_ref.methods.neighbours import bar
from grao_ref.records import Rewards
from theory import runs
from theory.claims.thm_4 import limit
from theory.exact import expected_update
from theory.tuned import entry_of
from tutorials import style

torch.set_default_dtype(torch.float64)
G, beta, lam = 8, 0.5, 0.6  # the paper's values

# %% [markdown]
# ## A push that never ends (thm-4)
#
# What happens after the policy has passed its reference? It is certain of the best answer: eight samples with reward 1,
# and a reference with 0.7 in the pool. This is tutorial 5's group of failures with the opposite sign: the reference's
# advantage is $-\sqrt G$, however small the gap is.

# %%
A, A_y = group_advantages(torch.ones(G), torch.tensor(0.7))
_, w_y = likelihood_weights(A, A_y, beta=beta, lam=lam)
_, repaired = likelihood_weights_while_ahead(A, A_y, beta=beta, lam=lam)
print(f"Â_y = {A_y:.3f}")
print(f"w_y = {w_y:.3f} printed, {repaired:.0f} repaired")

# %% [markdown]
# So the printed objective pushes $\log \pi(y)$ down at full strength, in every step. As the policy becomes certain, the
# length of the expected update (tutorial 4) does not go to 0. It goes, from below, to
#
# $$ (\beta + \lambda/G) \sqrt G \sqrt 2 $$
#
# which is 0.575 · 2.83 · 1.41 = 2.3 here. (The last factor is the length of the gradient of $\log \pi(y)$ with respect to
# the logits: 1 for $y$ and −1 for the answer that is certain. If several best answers share the probability, it is
# smaller, but above 1.) The paper proves that its gradient goes to 0 (claim-1); the proof needs an objective that is
# bounded above, and $-\log \pi(y)$ is not.
#
# ## The repair
#
# The *repair* imitates the reference only while it is ahead. It replaces $w_y$ by $\max(w_y, 0)$, and changes nothing
# else. In a config it is `imitate_only_when_ahead`, the default of the trainer; all runs called GRAO in tutorials 4, 5
# and 7 have it. The default of the package's equations is the printed form.
#
# (Replacing $\hat A_y$ by $\max(\hat A_y, 0)$ would not be enough: alignment's share, $\lambda \hat A_y / G$, would
# remain.)
#
# We look at it twice: the length of the expected update as the best answer becomes certain, and 300 runs that begin with
# 95 % on the best answer.

# %%
gaps = np.linspace(0, 24, 25)  # logit of the best answer above the others
three = [1.0, 0.7, 0.0]  # rewards of best, reference, failure
lengths, after = {}, {}
for name, repair in (("GRAO printed", False), ("GRAO", True)):
    form = {"group_size": G, "beta": beta, "lam": lam, "only_when_ahead": repair}
    fields = [expected_update([gap, 0, 0], three, 1, **form) for gap in gaps]
    lengths[name] = np.linalg.norm(fields, axis=1)
    rewards, logits = runs.start(torch.tensor(three), [0.95, 0.03, 0.02], 300)
    config = runs.settings(max_steps=200, imitate_only_when_ahead=repair)
    after[name] = list(runs.run(rewards, 1, logits, config))

print("                  V   log π(y)   loss")
log_pi_y, V, loss = ({name: {} for name in after} for _ in range(3))
for name, steps in after.items():
    for k in (100, 200):
        V[name][k] = steps[k].value.mean().item()
        log_pi_y[name][k] = steps[k].theta.log_softmax(-1)[:, 1].mean().item()
        loss[name][k] = steps[k].metrics["loss"].mean().item()
        row = f"{V[name][k]:5.2f} {log_pi_y[name][k]:8.1f} {loss[name][k]:8.1f}"
        print(f"{name:12} {k}{row}")

# %% tags=["picture"]
drawn, panels = style.figure(2, height=2.5)
for name, line in lengths.items():
    panels[0].semilogy(gaps, line, **style.METHODS[name])
panels[0].set(xlabel="logit of the best answer above the others", ylim=(1e-9, 30))
panels[0].set_ylabel("length of the update")
panels[0].text(13, 0.2, "printed", color=style.RED, weight="bold")
panels[0].text(4.5, 1e-6, "repaired", color=style.BLUE, weight="bold")
for name, steps in after.items():
    rows = torch.stack([step.theta.log_softmax(-1)[:, 1] for step in steps])
    panels[1].plot(rows.median(-1).values, **style.METHODS[name])
panels[1].set(xlabel="step", ylabel="log π(y), nats")
style.show(
    drawn,
    "Above: length of the expected update as the policy grows certain of the best answer. Below: log-likelihood of the "
    "reference in training, medians of 300 runs.",
    alt="The printed update levels off at 2.3, the repaired falls to nothing; the reference's log-likelihood falls in a "
    "straight line as printed and stays up when repaired.",
)

# %% [markdown]
# As printed, the loss (minus the objective) falls without end while $V$ does not change: only the reference's
# log-likelihood falls, by the same amount in each step. In a table this harms no other answer, because answers share no
# parameters. In a language model they do, and every step makes a good human answer less likely (tutorial 10).
#
# ## What the repair does not change: lock-in
#
# The repair acts once the reference is beaten. Tutorial 7's trap comes before that: a policy that becomes certain of the
# reference, and then samples nothing better. We call this *lock-in*. It has one cause: **a sample that merely equals the
# reference is reinforced.** In a group of seven failures and one $y$, that sample has the largest advantage, and the
# reference is pushed up as well.
#
# ## The reference as a bar
#
# A rule from this project's laboratory (`grao_ref/methods/neighbours/bar.py`) changes two things:
#
# - A sample's reward is compared with a *bar*: the reference's reward or the group's mean $\mu$, whichever is larger. So a
#   sample that equals the reference has weight 0 at most.
#
# $$ w_i = \frac{1 + \lambda}{G} \cdot \frac{R_i - \max(R(y), \mu)}{\sigma} $$
#
# - The reference is imitated, with GRAO's weight, only while *no* sample is as good, and not at all from then on.
#
# Both rules on three groups, with $R(y) = 0.7$:

# %%
GROUPS = {
    "eight failures": [0.0] * 8,
    "one equals y": [0.7, *[0.0] * 7],
    "one beats y": [1.0, *[0.0] * 7],
}
rule = {}
for words, earned in GROUPS.items():
    graded = Rewards.complete(torch.tensor([earned]), torch.tensor([0.7]))
    config = runs.settings()
    w, w_bar = bar.weights(bar.advantages(graded, config), graded, config)
    v, v_y = likelihood_weights_while_ahead(
        *group_advantages(graded.outputs[0], torch.tensor(0.7)), beta=beta, lam=lam
    )
    rule[words] = {
        "GRAO": [v[0].item(), v[1].item(), v_y.item()],
        "bar": [w[0, 0].item(), w[0, 1].item(), w_bar[0].item()],
    }
print("weight on         first sample  each other      y")
for words, both in rule.items():
    for name, cells in both.items():
        print(f"{words:15} {name:5}" + "".join(f"{each + 0.0:10.2f}" for each in cells))

# %% [markdown]
# In the second group, the first sample and $y$ are the same answer. GRAO pushes it up. The bar only pushes failures down.
#
# ## A race
#
# We race three methods on tutorial 7's bandit ($p$ = 2 %, $R(y) = 0.7$) with 1, 8, 64 and 512 failing answers. Learning
# rates are those that the laboratory chose on other bandits, one for each method and optimiser. Wait: the mean number of
# steps until $V \ge 0.9$, where a run that does not arrive within 120 steps counts 121.

# %%
NAMES = {"GRPO": "grpo", "GRAO": "grao", "bar": "grao_ref.methods.neighbours.bar.BAR"}
STEPS, RUNS = 120, 100


def run_race(name, wrong, optimizer):
    """Mean wait, and the share of runs that arrive."""
    entry = entry_of("GRAO repaired" if name == "GRAO" else name, optimizer)
    table = torch.tensor([1.0, 0.7, *[0.0] * wrong])
    rewards, logits = runs.start(table, [0.02, 0.02, *[0.96 / wrong] * wrong], RUNS)
    config = runs.settings(
        method=NAMES[name],
        optimizer=optimizer,
        learning_rate=entry.rate,
        max_steps=STEPS,
    )
    first = torch.full((RUNS,), STEPS + 1.0)
    for step in runs.run(rewards, 1, logits, config):
        here = (step.value >= 0.9) & (first > STEPS)
        first = torch.where(here, float(step.step), first)
        if first.max() <= STEPS:
            break
    return first.mean().item(), (first <= STEPS).double().mean().item()


CROWDS = (1, 8, 64, 512)
race = {
    (name, wrong): run_race(name, wrong, "adam") for wrong in CROWDS for name in NAMES
}
plain = {name: run_race(name, 8, "sgd") for name in NAMES}
print("Adam: failing answers" + "".join(f"{wrong:>12}" for wrong in CROWDS))
for name in NAMES:
    cells = (
        f"{race[name, wrong][0]:4.0f} ({race[name, wrong][1]:4.0%})" for wrong in CROWDS
    )
    print(f"{name:21}" + "".join(f"{cell:>12}" for cell in cells))
print("SGD: 8 failing answers")
for name in NAMES:
    print(f"{name:21} {plain[name][0]:4.0f} ({plain[name][1]:4.0%})")

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=2.9)
looks = {name: style.METHODS[name] for name in ("GRPO", "GRAO")}
looks["bar"] = {"color": style.BLACK, "linestyle": (0, (6, 2))}
at = {"GRPO": (9, 34), "GRAO": (9, 66), "bar": (9, 6)}
for name, look in looks.items():
    waits = [race[name, wrong][0] for wrong in CROWDS]
    axes.plot(CROWDS, waits, marker="o", markersize=4, **look)
    axes.text(*at[name], name, color=look["color"], weight="bold")
axes.set_xscale("log")
axes.set_xticks(CROWDS, [str(wrong) for wrong in CROWDS])
axes.minorticks_off()
axes.set(xlabel="failing answers", ylabel="mean wait, steps", ylim=(0, 128))
style.show(
    drawn,
    f"Mean wait under Adam, {RUNS} runs each. The bar is the fastest of the three up to 64 failing answers, and the slowest "
    "at 512.",
    alt="Mean wait against the number of failing answers: bar is lowest up to 64 and highest at 512.",
)

# %% [markdown]
# Numbers are mean waits, and in brackets the share of runs that arrive.
#
# - **Under Adam and up to 64 failing answers, the bar is the fastest of the three**, and all its runs arrive. GRAO's
#   lock-in is gone.
# - **Under SGD it is not.** It is as bad as GRAO.
# - **With 512 failing answers it is the slowest.**
#
# ## Why, and what it is good for
#
# In a group of failures the bar's sample weights are negative, and more so than GRAO's. Probabilities add up to 1: what
# is pushed down raises every answer that was *not* sampled, in proportion to its probability. A rare answer gains
# little from that under SGD. Adam divides the step of each logit by the size of that logit's own gradient. So the logit
# of a rare answer rises at the full rate, as long as it is not sampled. But the logits of failing answers that were not
# sampled rise as well. With a few failing answers all are sampled soon, and only the good ones rise. With hundreds, most
# are not sampled, they rise with the good ones, and nothing is gained.
#
# The laboratory compared fifteen rules (exp-race). They were tuned on 24 random tables and judged on 48 others, by
# conditions that were fixed before the runs. Under Adam the bar needs 0.45 of GRPO's mean wait (95 % interval: 0.33 to
# 0.57), and no other rule met all conditions. Those tables have at most eight failing answers. With 512, the bar needs
# 1.9 times GRPO's wait (1.3 to 3.1).
#
# **So it is no recommendation for language models.** There the number of ways to fail is huge: a vocabulary alone has
# tens of thousands of tokens. Answers share weights, so a push on one moves others. Where answers have several tokens,
# the bar's lead is smaller (exp-race-tokens). On the embedded language model that learns to sort, it is not ahead of GRPO
# at all ([Results](pages/results.md)). One more limit: if $R(y)$ is above every reward that samples can
# reach, for example because $y$ is scored by another rule, the bar imitates $y$ in every step, for ever.
#
# Use the repair wherever GRAO is used. It ends an unlearning; it does not make imitation harmless. Where only another
# kind of answer beats the references, small transformers ended at the reference before the repair ever acted
# ([Results](pages/results.md)).
# Try the bar where answers are few and the optimiser is Adam
# (`--method grao_ref.methods.neighbours.bar.BAR`).
#
# ## What was claimed

# %% tags=["claims"]
assert abs(limit(beta, lam, G) - 2.3) < 1e-9
assert abs(lengths["GRAO printed"][-1] / 2.3 - 1) < 1e-6
assert lengths["GRAO"][-1] < 1e-8
assert abs(w_y + 0.575 * G**0.5) < 1e-9
assert repaired == 0
fall = (log_pi_y["GRAO printed"][200] - log_pi_y["GRAO printed"][100]) / 100
assert abs(fall / (-2 * 0.2 * 0.575 * G**0.5) - 1) < 0.05  # a straight line
assert abs(log_pi_y["GRAO"][200] - log_pi_y["GRAO"][100]) < 10 * abs(fall)
assert loss["GRAO printed"][200] < loss["GRAO printed"][100] - 10
assert abs(V["GRAO printed"][200] - V["GRAO printed"][100]) < 0.01

failed, equal, better = (rule[words] for words in GROUPS)
assert min(equal["GRAO"][0], equal["GRAO"][2]) > 0.2
assert max(equal["bar"]) < 1e-12
assert equal["bar"][1] < 0
assert np.isclose(failed["bar"][2], failed["GRAO"][2])  # imitated as strongly
assert failed["bar"][1] < 5 * failed["GRAO"][1] < 0  # pushed down more
assert better["bar"][0] > 0 == better["bar"][2]
for wrong in CROWDS[:3]:
    assert race["bar", wrong][0] < 0.8 * race["GRPO", wrong][0]
    assert race["bar", wrong][0] < 0.5 * race["GRAO", wrong][0]
    assert race["bar", wrong][1] > 0.97
assert race["bar", 512][0] > 1.3 * max(race[name, 512][0] for name in ("GRPO", "GRAO"))
assert plain["bar"][0] > 1.3 * plain["GRPO"][0]

# %% [markdown]
# ## Exercises
#
# Run `make exercise 8`: it makes the file `my_answers/exercise_8.py`. Write four functions there, and run the command
# again to check them:
#
# 1. `repaired_weight`: the repaired weight on the reference's log-likelihood, for any advantages.
# 2. `not_repaired`: find the planted bug. `planted.repaired` is meant to be the repair; give it a group in which it still
#    pushes a beaten reference down.
# 3. `never_vanishes`: the length to which the printed update tends.
# 4. `bar_weights`: the weights of the rule on this page.
#
# Ours are in `tutorials/solutions/solution_8.py`.
