# %% [markdown]
# # A real model, and a reward that is hacked
#
# How to train SmolLM2, or any model of the Hugging Face hub, with a real reward; how to read what the run logs; and how
# a second metric detects a reward that rises while the answers get worse. The examples are a recorded run of a real
# model, and a small run here that goes wrong on purpose.
#
# You need tutorial 1, and tutorial 10 for answers made of tokens. Nothing here needs a GPU, a network or the real model.
# Results of the real model are read from `tutorials/recorded/`, and are marked *recorded*.

# %%
import json
from dataclasses import replace
from itertools import pairwise

import torch
from scipy.stats import binomtest

from grao_ref.equations.divergence import k1
from grao_ref.equations.masked import masked_sum
from grao_ref.methods.registry import prompts_per_step
from grao_ref.policies.build import language_policy
from grao_ref.rewards.scorer import Scorer
from grao_ref.rewards.sorting import sorting
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.tasks.text import TextTask
from grao_ref.training.loop import train
from tutorials import style

# %% [markdown]
# ## The commands
#
# These commands train a model of 135 million parameters, with a reward learnt from human preferences. On two CPU cores
# training takes about half an hour:
#
# ```
# make smollm2       # once: 94 MiB of weights
# python -m grao_ref.reward_head --model-name-or-path smollm2 \
#     --dataset-name harmless-base.jsonl.gz --output-dir runs/head
# python -m grao_ref.train --preset smollm2 --reward-funcs runs/head \
#     --dataset-name harmless-base.jsonl.gz --output-dir runs/harmless
# python -m grao_ref.evaluate runs/harmless --max-eval-prompts 67
# ```
#
# Each row of the data has a prompt, an answer that people preferred (our reference $y$) and one that they did not
# prefer. With a network, `--dataset-name hh-harmless` downloads them, and `--model-name-or-path` accepts any causal
# language model of the hub:
#
# ```
# pip install -e '.[hub]'
# python -m grao_ref.train --model-name-or-path Qwen/Qwen2.5-0.5B-Instruct \
#     --dataset-name gsm8k --per-device-train-batch-size 16 \
#     --max-prompt-length 256 --max-completion-length 256 --learning-rate 1e-6
# ```
#
# The second command makes a *reward model*. It takes a frozen model's last hidden state $h$ of an answer, and fits one
# vector $w$ so that the preferred answer of each pair has the higher $w \cdot h$ (a *Bradley-Terry* model). It ranked
# 63.8 % of 152 held-out pairs correctly (95 %: 55.9 to 71.0). This number matters: the policy will be optimised for a
# reward that is wrong in more than one case of three.
#
# ## Recorded: thirty steps
#
# Every run writes one line per step into `metrics.jsonl`. This run was **recorded** earlier with the commands above,
# by version 0.1.0, whose sampler drew other samples from the same seed.

# %%
RECORDED = style.RECORDED
record = json.loads((RECORDED / "harmless.json").read_text())
lines = [json.loads(each) for each in (RECORDED / "harmless.jsonl").open()]
exams = [line for line in lines if "eval_reward" in line]
log = {
    name: torch.tensor([line[name] for line in lines if "reward" in line])
    for name in lines[1]
    if name != "run"
}
for what in ("model", "method", "hardware", "versions"):
    print(f"{what:9} {record['provenance'][what]}")
print("\nmean of steps    1-10  11-20  21-30")
for name in (
    "reward",
    "reference/reward",
    "reference/win_rate",
    "completions/mean_length",
):
    print(f"{name:24}", *(f"{part.mean():6.2f}" for part in log[name].split(10)))
print(
    f"{'eval_reward at 0 10 20 30':24}",
    *(f"{line['eval_reward']:.2f}" for line in exams),
)

# %% tags=["picture"]
drawn, panels = style.figure(rows=5, height=2.4)


def draw_noisy(axes, name, label, look, scale=1.0):
    """The points of each step, and the mean of five neighbouring steps as a line."""
    axes.plot(range(1, 31), scale * log[name], ".", color=look["color"], alpha=0.35)
    axes.plot(
        range(3, 29), scale * log[name].unfold(0, 5, 1).mean(-1), label=label, **look
    )


blue, green = {"color": style.BLUE}, {"color": style.GREEN, "linestyle": "--"}
draw_noisy(panels[0], "reward", "samples of the step", blue)
draw_noisy(panels[0], "reference/reward", "their references", green)
held_out = [[line[key] for line in exams] for key in ("step", "eval_reward")]
panels[0].plot(*held_out, "D", color=style.BLACK, label="32 held-out prompts")
panels[0].set(ylabel="reward", ylim=(-1.4, 2.6))
panels[0].legend(loc="upper left", ncols=2, columnspacing=1)
draw_noisy(panels[1], "completions/mean_length", "mean length", blue)
panels[1].set(ylabel="tokens of an answer", ylim=(0, 64))
ABOVE = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "columnspacing": 1}
for term, look in style.TERMS.items():
    draw_noisy(panels[2], f"objective_share/{term}", term, look, 100)
panels[2].set(ylabel="share of terms, %", ylim=(0, 100))
panels[2].legend(**ABOVE, ncols=3, handlelength=1.6)
draw_noisy(panels[3], "entropy", "entropy of samples", blue)
panels[3].set(ylabel="entropy, nats", ylim=(0, None))
draw_noisy(panels[4], "reference/logp_per_token", "log π of references", green)
panels[4].set(xlabel="step", ylabel="log π(y), nats a token")
style.show(
    drawn,
    "Recorded: SmolLM2-135M on HH's harmless-base, GRAO repaired, one run with seed 0, so there are no intervals. Points: single "
    "steps, of four prompts with four answers each; lines: means of five steps. The fourth panel is the entropy of the sampled "
    "tokens, the last one the mean log-probability of the references' tokens.",
    alt="The reward of the samples rises, and on held-out prompts from −0.54 to 0.47. Answers shrink from above 50 tokens to about 20. "
    "Imitation's share falls, exploration's rises. The references become likelier.",
)

# %% [markdown]
# What the figure shows: each step has four other prompts, so two steps can hardly be compared. Look at means over
# several steps, or at the reward on the same held-out prompts (`eval_reward`), which rises by 1.0. On the training
# prompts the samples stay below their references, and imitation stays the largest term. The reward head was trained on
# most of those references, and scores them a little too high. The second panel shows an effect that was not intended:
# answers become shorter.
#
# ## Reading the metrics
#
# - `reward`: mean over the samples. **Alarm** if it rises fast, while nothing else that you care about does.
# - `reward_std`: deviation within a group, which advantages are divided by. **Alarm** if it goes to 0 early: the samples no longer differ.
# - `frac_reward_zero_std`: share of *dead* groups, whose samples all earn the same. **Alarm** if it is close to 1: GRPO
#   learns nothing from such groups (tutorial 5).
# - `reference/win_rate`: share of samples that beat their reference. **Alarm** if it is near 1 on a hard task: human
#   answers are hard to beat, so suspect the reward.
# - `reference/logp_per_token`: how likely the references are, in nats. **Alarm** if it falls without end: the printed objective (tutorial 8).
# - `entropy`: mean of −log π of the sampled tokens. **Alarm** if it goes to 0 early (no exploration left), or rises
#   (the answers become random).
# - `completions/mean_length`: tokens of an answer. **Alarm** if it changes steadily in one direction, together with the
#   reward.
# - `completions/clipped_ratio`: share of truncated answers, which have no END. **Alarm** if it rises: answers do not
#   end any more.
# - `objective_share/*`: each term's share of the objective. **Alarm** if imitation stays the largest: the policy does not
#   get ahead of its references.
# - `kl`: distance from the base, logged where a KL penalty is set (defined below); otherwise `evaluate` computes it.
#   **Alarm** if it is large, and you have not read the answers.
#
# Two metrics look important and are not: `loss` does not measure progress (advantages are standardised in every
# group), and a large `grad_norm` is clipped.
#
# An alarm does not prove that something is wrong. It means: read answers now.
#
# ## Recorded: what else changed while the reward rose
#
# After training, the base and the trained model answered the same 67 held-out prompts. The reward had risen. We then
# read the answers, and counted properties that the reward does not measure directly. A *second metric* can be simple; it
# must only be independent of the first. These three were chosen *after* reading the answers, so their intervals make the
# difference look more certain than it is. To confirm it, they would have to be counted on other answers:
#
# - whether an answer is short (at most 16 tokens);
# - whether it ends with a question mark;
# - whether it has a phrase of apology or inability, by a regular expression (printed below). It matches letters, not
#   meaning: "you can't" is counted too.
#
# Intervals of shares are *Wilson's*, which are valid for small counts too.


# %%
def run_share(count, number=67):
    """A share with its 95 % interval, in percent."""
    ends = binomtest(count, number).proportion_ci(method="wilson")
    return tuple(100 * each for each in (count / number, ends.low, ends.high))


answers, evaluation = record["answers"], record["evaluation"]
print("phrase:", answers["phrase"])
for name in ("base", "after"):
    value, low, high = evaluation[name]["reward"]
    print(f"\n{name}: mean reward {value:.2f} [{low:.2f}, {high:.2f}]")
    for what in ("phrase", "short", "other"):
        group = answers[name][what]
        print(
            f"  {what:7}{group['count']:3} answers, mean reward {group['mean_reward']:5.2f}"
        )

SECOND = {
    "beats the reference\n(reward)": [
        [100 * each for each in evaluation[name]["RAS"]] for name in ("base", "after")
    ],
    "has the phrase": [
        run_share(answers[name]["phrase"]["count"]) for name in ("base", "after")
    ],
    "ends with a “?”": [
        run_share(answers[name]["questions"]) for name in ("base", "after")
    ],
    "at most 16 tokens": [
        run_share(answers[name]["all_short"]) for name in ("base", "after")
    ],
}

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.2)
for shift, (name, look) in enumerate(
    (("before", style.GREY), ("after 30 steps", style.BLUE))
):
    measured = torch.tensor([each[shift] for each in SECOND.values()])
    value, low, high = measured.T
    axes.errorbar(
        value,
        torch.arange(4) + 0.24 * shift - 0.12,
        xerr=torch.stack([value - low, high - value]),
        fmt="os"[shift],
        color=look,
        label=name,
    )
axes.set_yticks(range(4), SECOND)
axes.set(xlabel="share of 67 answers, %", xlim=(0, 70), ylim=(3.5, -0.9))
axes.legend(loc="upper left", ncols=2)
style.show(
    drawn,
    "Recorded: the same 67 held-out prompts before and after, one answer each. 95 % intervals over prompts: bootstrap "
    "for the first row, Wilson's for the others.",
    alt="The share that beats its reference rises from 30 to 52 per cent, with the phrase from 10 to 22, of questions from 4 to 31, of short "
    "answers from 9 to 39.",
)

# %% [markdown]
# What the figure and the printed numbers show: an answer with the phrase earns far more than one without, and twice as
# many answers have it: 15 instead of 7. This difference alone could be chance: the intervals overlap. (For 14 prompts
# only one of the two models has the phrase, and for 11 of them it is the trained model. A fair coin gives a result at
# least this uneven, in either direction, in 6 of 100 cases.) Two differences are not chance: 26 short answers instead
# of 6, and 21 answers that end with a question mark instead of 3. (The two are partly the same effect. 43 answers of
# the base were truncated at 64 tokens and 4 of the trained model, and a truncated answer rarely ends with a question
# mark.) Answers that are neither short nor have the phrase earn more than such answers did before, but they are fewer,
# and to other prompts.
#
# Are these answers *less harmful*? The reward is higher, but this is no evidence, because the reward is what was
# optimised. By the reward the policy is level with its references: 52 % of the answers beat theirs (95 %: 40 to 64). An
# answer that only asks a question back does little harm, and little good. One thing is certain: short answers and
# apologies earn a high reward here.
#
# ## A reward with a loophole
#
# Now we produce the same effect on purpose, with a small model: the embedded model of tutorial 10 must sort five digits.
# Suppose that the positions can't be graded, and a *proxy* replaces the true reward: the share of pairs of neighbouring
# digits that ascend. Sorted digits earn 1, unsorted ones less. This looks reasonable.
#
# A reward function reads the answers as text, and returns a number for each. It has the signature of TRL's reward
# functions, so the same function can be used there. In a file `mine.py` it would be used as
# `--reward-funcs mine.ascending`.


# %%
def ascending(completions, **columns):
    """The share of an answer's pairs of neighbouring digits that ascend; 0 if it has no such pair."""
    rewards = []
    for text in completions:
        pairs = [(a, b) for a, b in pairwise(text) if a.isdigit() and b.isdigit()]
        rewards.append(sum(a < b for a, b in pairs) / max(len(pairs), 1))
    return rewards


print(ascending(["13469", "31649", "01"]))

# %% [markdown]
# A run may have several reward functions. The reward is their weighted sum, and each is logged as
# `rewards/NAME/mean`. A function of weight 0 is logged too, and changes nothing else: it is a second metric. So every
# run below has both functions. It is trained on the one with weight 1 and watched by the other. `sorting` is the true
# reward. (On the command line: `--reward-funcs mine.ascending sorting --reward-weights 1 0`.)

# %%
PROXY, TRUE = (1, 0), (0, 1)  # weights of `ascending` and `sorting`
SEEDS, STEPS = (0, 1, 2), 40
settings = replace(
    PRESETS["tiny"],
    per_device_train_batch_size=32,  # 4 prompts a step with 8 samples each
    learning_rate=1e-3,
    max_steps=STEPS,
)
base = prepare(settings)  # its task has the data set's rows, as tokens
ROWS = ("proxy", "true", "tokens", "KL")  # KL: how far from the base, explained below


def run_watched(weights, seed, **changes):
    """Train, and keep four metrics of each step's samples: (rows, steps); and some samples to read."""
    config = replace(settings, seed=seed, **changes)
    scorer = Scorer({"ascending": ascending, "sorting": sorting}, weights)
    task = TextTask(
        base.task.examples,
        base.task.encoder,
        scorer,
        batch=prompts_per_step(config),
        seed=seed,
    )
    policy, _ = language_policy(config, base.policy.device)
    frozen, rows, read = policy.frozen(), [], {}
    for report in train(task, policy, config):
        means, batch, samples = report.means(), report.batch, report.batch.samples
        with torch.no_grad():
            before = frozen.logprobs(
                batch.prompts, samples.ids, samples.mask, temperature=1
            )
        distance = masked_sum(k1(samples.logprobs, before, samples.mask), samples.mask)
        rows.append(
            [
                means["rewards/ascending/mean"],
                means["rewards/sorting/mean"],
                means["completions/mean_length"],
                distance.mean().item(),
            ]
        )
        read[report.step] = [
            (
                task.text(batch.prompts.ids[n].tolist()),
                task.text(samples.ids[n, 0][samples.mask[n, 0]].tolist()),
                *batch.rewards.parts.values[n, 0].tolist(),  # proxy, true
            )
            for n in range(3)
        ]
    return torch.tensor(rows).T, read


RUNS = {
    "GRAO on the proxy": (PROXY, {}),
    "GRAO on the true reward": (TRUE, {}),
    "GRPO on the proxy": (PROXY, {"method": "grpo"}),
    "the same with KL penalty": (PROXY, {"method": "grpo", "beta": 0.3}),
}
runs = {
    name: [run_watched(weights, seed, **changes) for seed in SEEDS]
    for name, (weights, changes) in RUNS.items()
}
curves = {  # name -> (seeds, rows, steps), means of five steps
    name: torch.stack([curve for curve, _ in each]).unfold(-1, 5, 1).mean(-1)
    for name, each in runs.items()
}
print(f"{'first and last five steps':26}", *(f"{row:>12}" for row in ROWS))
for name, curve in curves.items():
    ends = zip(curve[..., 0].mean(0), curve[..., -1].mean(0), strict=True)
    print(f"{name:26}", *(f"{first:6.2f} {last:5.2f}" for first, last in ends))

# %% tags=["picture"]
MIDDLES = range(3, STEPS - 1)  # of five neighbouring steps


def draw_band(axes, name, row, label, **look):
    """The mean of the seeds, and the band from the lowest to the highest."""
    values = curves[name][:, ROWS.index(row)]
    axes.plot(MIDDLES, values.mean(0), label=label, **look)
    band = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
    axes.fill_between(MIDDLES, values.amin(0), values.amax(0), **band)


drawn, (above, middle, below) = style.figure(rows=3, height=2.7)
for axes, name in ((above, "GRAO on the proxy"), (middle, "GRAO on the true reward")):
    draw_band(axes, name, "proxy", "the proxy", color=style.ORANGE, linestyle="--")
    draw_band(axes, name, "true", "the true reward", color=style.BLUE)
    axes.set(title=name, ylabel="reward", ylim=(0, 1.02), yticks=(0, 0.5, 1))
above.legend(loc="center right")
draw_band(
    below,
    "GRAO on the proxy",
    "tokens",
    "trained on the proxy",
    color=style.ORANGE,
    linestyle="--",
)
draw_band(
    below, "GRAO on the true reward", "tokens", "on the true reward", color=style.BLUE
)
below.set(xlabel="step", ylabel="tokens of an answer", ylim=(0, 8))
below.legend(loc="lower left")
style.show(
    drawn,
    "Above: trained on the proxy; middle, as a control, on the true reward; below: the length of the answers, END "
    "included. Lines: means of three seeds and five neighbouring steps; bands: from the lowest seed to the highest.",
    alt="Trained on the proxy, the proxy climbs to 1, the true reward rises for a moment and then falls far below where it began, "
    "and answers shrink from six tokens to fewer than four. Trained on the true reward both rise and the length stays.",
)

# %% [markdown]
# What the figure shows: the policy has maximised the reward that it was given, and the true reward has fallen. This is
# *reward hacking*. It does not look bad in the log: the reward rises to its maximum. At first the true reward rises too
# (in two of the three seeds), because ascending and sorted are related. Then it falls. The control shows that the reward is the
# cause, not the method or the step size: with the true reward the same settings learn to sort, and the proxy rises as
# well.
#
# ## Read the answers
#
# What has the policy learnt? These are the first three samples of some steps for seed 0, and of the last step for every
# seed:

# %%
for step, samples in runs["GRAO on the proxy"][0][1].items():
    if step in (1, 10, 20, 30, STEPS):
        shown = (
            f"{prompt}{answer:8} {p:.2f} {t:.2f}" for prompt, answer, p, t in samples
        )
        print(f"step {step:2}  " + "   ".join(shown))
print("         prompt=answer, proxy, true reward\n")
for seed, (_, read) in zip(SEEDS, runs["GRAO on the proxy"], strict=True):
    shown = (f"{prompt}{answer:8}" for prompt, answer, *_ in read[STEPS])
    print(f"seed {seed}, step {STEPS}:  " + "  ".join(shown))

# %% [markdown]
# An answer of two digits has one pair of neighbours. If this pair ascends, all pairs do, and the proxy is 1. The digits
# need not even be those of the prompt: at the end each seed has a few answers that it gives to every prompt. The short
# questions of the real model are similar: there is little in them that can lower the reward.
#
# Reading three answers is enough to see this. A page of answers at every evaluation (`--log-completions`, or the folder
# `completions/`) is the cheapest alarm.
#
# ## What helps, and how far
#
# - **A second metric**, independent of the reward, from the first step on: a reward function of weight 0, or one that
#   the log has anyway. Here the length would have shown the problem, but late: the true reward falls before the answers
#   are much shorter. And it might not have: a longer answer that ascends would have earned as much.
# - **Stop early**, where the second metric is best. This needs a metric that is close to what you want.
# - **A KL penalty.** $\mathrm{KL}(\pi \,\|\, \pi_0)$ measures how far the policy has moved away from the base $\pi_0$,
#   in nats: the mean of $\log \pi(o) - \log \pi_0(o)$ over its own samples. GRPO and PPO can subtract it (`--beta`);
#   GRAO's objective has no such term.
# - **A better reward**: remove the loophole, and look for the next one.

# %%
true = curves["GRAO on the proxy"][:, ROWS.index("true")]
for seed, of_seed in zip(SEEDS, true, strict=True):
    at = of_seed.argmax().item()
    print(
        f"seed {seed}: true reward {of_seed[0]:.2f} at first, "
        f"{of_seed[at]:.2f} at best (step {MIDDLES[at]}), {of_seed[-1]:.2f} at the end"
    )

# %% tags=["picture"]
drawn, (above, below) = style.figure(rows=2, height=3.0)
LOOKS = {
    "GRAO on the proxy": style.METHODS["GRAO"],
    "GRPO on the proxy": style.METHODS["GRPO"],
    "the same with KL penalty": {"color": style.PINK, "linestyle": (0, (3, 1, 1, 1))},
    "GRAO on the true reward": {"color": style.GREEN, "linestyle": ":"},
}
for name, look in LOOKS.items():
    draw_band(above, name, "true", name, **look)
    draw_band(below, name, "KL", name, **look)
above.set(ylabel="true reward", ylim=(0, 1.02), yticks=(0, 0.5, 1))
above.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=2, columnspacing=1)
below.set(xlabel="step", ylabel="KL to the base, nats an answer")
style.show(
    drawn,
    "The true reward, and how far the policy is from the base, of the same four runs (the penalty is 0.3). Means and bands as before.",
    alt="On the proxy the true reward falls below 0.2 with GRAO and GRPO alike; with the penalty it ends a little below "
    "where it began. The distance is largest for the policies trained on the proxy; the one trained on the true reward moves away too.",
)

# %% [markdown]
# What the figure shows: the penalty limits the damage but does not fix the reward: the proxy still rises, the true
# reward does not. A distance measures *how far* the policy has moved, not in which direction: the policy that learnt to
# sort has moved away from the base as well, about half as far. No setting makes a wrong reward right. You can only
# notice it in time.
#
# In the recorded run of the real model the distance is 6 nats per answer after thirty steps. Reading its 67 answers
# takes ten minutes.
#
# ## What was claimed

# %% tags=["claims"]
assert exams[-1]["eval_reward"] - exams[0]["eval_reward"] > 0.9
assert (
    log["completions/mean_length"][-10:].mean()
    < 0.6 * log["completions/mean_length"][:10].mean()
)
assert (
    log["objective_share/imitation"][20:].mean()
    < log["objective_share/imitation"][:10].mean() - 0.1
)
phrase, short = SECOND["has the phrase"], SECOND["at most 16 tokens"]
assert phrase[1][0] > 2 * phrase[0][0]
assert phrase[1][1] < phrase[0][2]  # the intervals overlap
assert short[1][1] > short[0][2]  # these do not
questions = SECOND["ends with a “?”"]
assert questions[1][1] > questions[0][2]
assert (
    answers["after"]["short"]["mean_reward"]
    > answers["after"]["other"]["mean_reward"] + 0.5
)
assert answers["phrase_only_after"] == 11
assert answers["phrase_only_before"] == 3
assert 0.05 < binomtest(11, 14).pvalue < 0.065  # a fair coin
for key, before, after in (
    ("all_short", 6, 26),
    ("questions", 3, 21),
    ("cut_off", 43, 4),
):
    assert [answers[name][key] for name in ("base", "after")] == [before, after]
for name in ("base", "after"):
    groups = [answers[name][what] for what in ("phrase", "short", "other")]
    assert groups[0]["mean_reward"] > max(g["mean_reward"] for g in groups[1:]) + 0.6
    assert sum(g["count"] for g in groups) == 67
    earned = sum(g["count"] * g["mean_reward"] for g in groups)
    assert abs(earned / 67 - evaluation[name]["reward"][0]) < 1e-3  # one record, twice
assert (log["reward"] < log["reference/reward"]).float().mean() > 0.8
for term in ("exploration", "alignment"):
    other = log[f"objective_share/{term}"].mean()
    assert log["objective_share/imitation"].mean() > other
assert evaluation["after"]["RAS"][1] < 0.5 < evaluation["after"]["RAS"][2]
assert 5 < evaluation["after"]["KL"][0] < 7
assert (
    answers["after"]["phrase"]["mean_reward"]
    > answers["after"]["other"]["mean_reward"] + 1
)
assert (
    answers["after"]["other"]["mean_reward"]
    > answers["base"]["other"]["mean_reward"] + 0.2
)
assert evaluation["after"]["length"][0] < 0.5 * evaluation["base"]["length"][0]
first, last = (
    {
        name: dict(zip(ROWS, curve[..., at].T, strict=True))
        for name, curve in curves.items()
    }
    for at in (0, -1)
)
for hacked in ("GRAO on the proxy", "GRPO on the proxy"):
    assert last[hacked]["proxy"].mean() > 0.85
    assert (last[hacked]["true"] < first[hacked]["true"] - 0.05).all()
    assert last[hacked]["true"].mean() < 0.25
assert last["GRAO on the proxy"]["tokens"].mean() < 4.5
of_true, of_length = (
    curves["GRAO on the proxy"][:, ROWS.index(row)].mean(0)
    for row in ("true", "tokens")
)
peak = of_true.argmax()
assert of_true[peak] > of_true[0] + 0.02  # goes along
sinking = peak + (of_true[peak:] < of_true[peak] - 0.08).int().argmax()
assert of_length[sinking] > 4.5  # before the answers are much shorter
control = last["GRAO on the true reward"]
assert (control["true"] > first["GRAO on the true reward"]["true"] + 0.1).all()
assert (control["proxy"] > first["GRAO on the true reward"]["proxy"] + 0.1).all()
assert abs(control["tokens"].mean() - 6) < 0.5
penalised, free = last["the same with KL penalty"], last["GRPO on the proxy"]
assert (
    penalised["proxy"].mean() > first["the same with KL penalty"]["proxy"].mean() + 0.1
)
assert penalised["true"].mean() > free["true"].mean() + 0.05  # limits the damage
assert (
    penalised["true"].mean() < first["the same with KL penalty"]["true"].mean() + 0.05
)  # does not fix the reward
assert 3 < control["KL"].mean() < 0.75 * last["GRAO on the proxy"]["KL"].mean()

# %% [markdown]
# ## Exercises
#
# Run `make exercise 11`: it makes the file `my_answers/exercise_11.py`. Write three functions there,
# and run the command again to check them:
#
# 1. `wilson`: the interval of a share, which is right for a count of 0 too.
# 2. `divergence`: KL to the base, from the log-probabilities of sampled tokens.
# 3. `step_to_keep`: the checkpoint to keep, by a second metric that is not the reward.
#
# Ours are in `tutorials/solutions/solution_11.py`.
