# %% [markdown]
# # A real model, and a reward that is hacked
#
# How to train SmolLM2, or any model of the Hugging Face hub, with a real reward; how to read what the run logs; and how a
# second metric catches a reward that is satisfied without being deserved. A recorded run of a real model, and a small one
# here that goes wrong on purpose.
#
# You need tutorial 1, and tutorial 6 for answers made of tokens. Nothing here needs a GPU, a network or the real model:
# what was measured with it is read from `tutorials/recorded/`, and says *recorded*.

# %%
import json
from dataclasses import replace
from pathlib import Path

import torch
from scipy.stats import binomtest

from grao_ref.equations.divergence import k1
from grao_ref.equations.masked import masked_sum
from grao_ref.experiment import prepare
from grao_ref.loop import train
from grao_ref.presets import PRESETS
from grao_ref.tasks.sorting import DIGITS, Sorting, characters
from tutorials import style

# %% [markdown]
# ## The commands
#
# A model of 135 million parameters, human preferences, and a reward learnt from them; on two CPU cores it takes about
# half an hour of training:
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
# The data are rows of a prompt, an answer that people preferred (our reference $y$) and one they did not. With a network,
# `--dataset-name hh-harmless` fetches them, and `--model-name-or-path` takes any causal language model of the hub:
#
# ```
# pip install -e '.[hub]'
# python -m grao_ref.train --model-name-or-path Qwen/Qwen2.5-0.5B-Instruct \
#     --dataset-name gsm8k --per-device-train-batch-size 16 \
#     --max-prompt-length 256 --max-completion-length 256 --learning-rate 1e-6
# ```
#
# *A reward model* is what the second command makes. It reads a frozen model's last hidden state $h$ of an answer, and
# learns one vector $w$ so that the preferred answer of each pair has the higher $w \cdot h$ (a *Bradley-Terry* model). On 152
# pairs that it had not seen it was right about 63.8 % (95 %: 55.9 to 71.0). Keep that number in mind: the policy will
# be optimised against a judge that is wrong in more than one case of three.
#
# ## Recorded: thirty steps
#
# Every run writes a line a step into `metrics.jsonl`. This is one, **recorded** earlier with the commands above.

# %%
RECORDED = Path("tutorials/recorded")
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
drawn, panels = style.figure(rows=4, height=2.5)


def draw_noisy(axes, name, label, look, scale=1.0):
    """The points of each step, and the mean of five neighbouring steps as a line."""
    axes.plot(range(1, 31), scale * log[name], ".", color=look["color"], alpha=0.35)
    axes.plot(
        range(3, 29), scale * log[name].unfold(0, 5, 1).mean(-1), label=label, **look
    )


blue, green = {"color": style.BLUE}, {"color": style.GREEN, "linestyle": "--"}
pink = {"color": style.PINK, "linestyle": ":"}
draw_noisy(panels[0], "reward", "samples of the step", blue)
draw_noisy(panels[0], "reference/reward", "their references", green)
held_out = [[line[key] for line in exams] for key in ("step", "eval_reward")]
panels[0].plot(*held_out, "D", color=style.BLACK, label="32 held-out prompts")
panels[0].set(ylabel="reward", ylim=(-1.4, 2.6))
panels[0].legend(loc="upper left", ncols=2, columnspacing=1)
draw_noisy(panels[1], "completions/mean_length", "mean length", blue)
panels[1].set(ylabel="tokens of an answer", ylim=(0, 64))
for term, look in (("exploration", blue), ("imitation", green), ("alignment", pink)):
    draw_noisy(panels[2], f"loss_share/{term}", term, look, 100)
panels[2].set(ylabel="share of terms, %", ylim=(0, 125), yticks=range(0, 101, 25))
panels[2].legend(loc="upper left", ncols=3, columnspacing=1, handlelength=1.6)
draw_noisy(panels[3], "entropy", "entropy of samples", blue)
draw_noisy(panels[3], "reference/logp_per_token", "log π of references", green)
panels[3].set(xlabel="step", ylabel="nats a token", ylim=(-4.5, 6.5))
panels[3].legend(loc="upper left", ncols=2, columnspacing=1)
style.show(
    drawn,
    "Recorded: SmolLM2-135M on HH's harmless-base, GRAO repaired, one run with seed 0, so that no interval can be shown. Points: single "
    "steps, of four prompts with four answers each; lines: means of five steps.",
    alt="The reward of the samples rises, and on held-out prompts from −0.54 to 0.47. Answers shrink from above 50 tokens to about 20. "
    "Imitation's share falls, exploration's rises. The references become likelier.",
)

# %% [markdown]
# What to see: a step has four prompts, and hardly any two steps are comparable: look at means of several, or at the same
# held-out prompts again and again (`eval_reward`). There the reward climbs by a whole point. On the prompts of the steps the samples
# stay below their references, and imitation stays the largest term; the head had seen most of those references when it was
# trained, and flatters them a little. And in the second panel something else happens, that nobody asked for.
#
# ## Reading the metrics
#
# - `reward`: mean over the samples. **Alarm** if it rises fast, while nothing else that you care about does.
# - `reward_std`: deviation within a group, which advantages are divided by. **Alarm** if it goes to 0 early: the samples no longer differ.
# - `frac_reward_zero_std`: share of *dead* groups, all of whose samples earn the same. **Alarm** if it nears 1: GRPO learns nothing there (tutorial 3).
# - `reference/win_rate`: share of samples that beat their reference. **Alarm** if it is near 1 on a hard task: people are not beaten so easily.
# - `reference/logp_per_token`: how likely the references are, in nats. **Alarm** if it falls without end: the printed objective (tutorial 4).
# - `entropy`: mean of −log π of the sampled tokens. **Alarm** if it goes to 0 early (no exploration left), or climbs (it falls apart).
# - `completions/mean_length`: tokens of an answer. **Alarm** if it moves steadily in one direction, together with the reward.
# - `completions/clipped_ratio`: share of answers cut off before END. **Alarm** if it rises: answers do not end any more.
# - `loss_share/*`: what the objective is made of. **Alarm** if it has imitation on top for ever: the policy never gets ahead.
# - `kl`: distance from the base, where a penalty is set; else `evaluate` has it. **Alarm** if it is large, and nobody has read the answers.
#
# Two that look important and are not: `objective` is no measure of progress (its advantages are standardised anew in every group),
# and a large `grad_norm` is clipped.
#
# An alarm is no verdict. It says: read answers now.
#
# ## Recorded: what the reward had paid for
#
# After the training the base and the trained model answered the same 67 held-out prompts. By the reward, it went
# well. So somebody read the answers, and then counted what the reward had not been asked about. A *second metric* need not be
# clever, only independent of the first. These three were chosen *after* reading the answers, so that their intervals flatter
# the difference; on other answers they would have to be counted again:
#
# - whether an answer is short (at most 16 tokens);
# - whether it ends with a question mark;
# - whether it has a phrase of apology or inability, by a regular expression (printed below). It sees letters and no meaning: "you
#   can't" is counted too.
#
# Intervals of shares are *Wilson's*, which hold for small counts too.


# %%
def run_share(count, number=67):
    """A share with its 95 % interval, in per cent."""
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
# What to see: an answer with the phrase earns far more than one without, and twice as many answers have it: 15 instead of
# 7, which by itself could still be chance (the intervals overlap; of the 14 prompts where only one of the two models has it, 11 are
# the trained model's, and a fair coin does that in 6 of 100 cases, either way). Clear of chance: short answers are 26 instead of 6, and those
# that end with a question mark 21 instead of 3. (Some of that is one
# and the same thing. The base was cut off at 64 tokens in 43 answers, the trained model in 4, and whoever is cut off does not come to a question mark.)
# And the answers that are neither short nor sorry earn more than such answers did before, though they are answers to fewer, and other, prompts.
#
# Are these answers *less harmful*? The reward says so. That is the one witness that cannot be called, since it is what was
# optimised, and it puts the policy level with its references: 52 % of the answers beat theirs, from 40 to 64. An answer that asks
# back does little harm, and little good. What is sure: one can please this reward by saying little and being sorry.
#
# ## A reward with a loophole
#
# The same on purpose, and small enough to watch: the embedded model of tutorial 6 shall sort five digits. But say that
# nobody could grade the positions, and somebody has written a *proxy*, a reward that stands in for the true one: the share of
# neighbouring digits that ascend. Sorted digits earn 1, unsorted ones less. It looks reasonable.


# %%
class Ascending(Sorting):
    """The sorting task, but for the reward: the share of an answer's neighbouring digits that ascend."""

    def reward(self, batch, ids, mask):
        digit = mask & (ids < DIGITS)
        neighbours = digit[..., 1:] & digit[..., :-1]
        ascending = neighbours & (ids[..., 1:] > ids[..., :-1])
        return (ascending.sum(-1) / neighbours.sum(-1).clamp(min=1))[..., None]


SEEDS, STEPS = (0, 1, 2), 40
settings = replace(
    PRESETS["tiny"],
    per_device_train_batch_size=32,  # 4 prompts a step with 8 samples each
    learning_rate=1e-3,
    max_steps=STEPS,
)
ROWS = ("proxy", "true", "tokens", "KL")  # KL: how far from the base, explained below


def run_watched(task, seed, **changes):
    """Train, and see each step's samples with four pairs of eyes: (rows, steps); and some of them to read."""
    run = prepare(replace(settings, seed=seed, **changes))
    frozen, rows, read = run.policy.frozen(), [], {}
    for report in train(task, run.policy, run.config):
        batch, said = report.batch, report.batch.samples
        with torch.no_grad():
            base = frozen.logprobs(batch.prompts, said.ids, said.mask, temperature=1)
        proxy, true = (
            each.reward(batch, said.ids, said.mask)[..., 0]
            for each in (Ascending(4), Sorting(4))
        )
        distance = masked_sum(k1(said.logprobs, base, said.mask), said.mask)
        of_step = (proxy, true, said.mask.sum(-1).float(), distance)
        rows.append([each.mean().item() for each in of_step])
        read[report.step] = [
            (
                characters(batch.prompts.ids[n].tolist()),
                characters(said.ids[n, 0][said.mask[n, 0]].tolist()),
                proxy[n, 0].item(),
                true[n, 0].item(),
            )
            for n in range(3)
        ]
    return torch.tensor(rows).T, read


RUNS = {
    "GRAO on the proxy": (Ascending(4), {}),
    "GRAO on the true reward": (Sorting(4), {}),
    "GRPO on the proxy": (Ascending(4), {"method": "grpo"}),
    "the same with KL penalty": (Ascending(4), {"method": "grpo", "beta": 0.3}),
}
runs = {
    name: [run_watched(task, seed, **changes) for seed in SEEDS]
    for name, (task, changes) in RUNS.items()
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
    axes.set(title=name, ylabel="reward", ylim=(0, 1.4), yticks=(0, 0.5, 1))
    axes.legend(loc="upper left", ncols=2)
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
    "and answers shrink from six tokens to three. Trained on the true reward both rise and the length stays.",
)

# %% [markdown]
# What to see: the policy has done what it was paid for, perfectly. This is *reward hacking*, and it does not look bad in the log:
# the reward climbs to its maximum. At first the true reward goes along for a few steps, because ascending and sorted are
# related. Then they part. The control shows that the fault is the reward's, not the method's or the step size's: with the true reward the same
# settings do what they should, and the proxy rises as well.
#
# ## Read the answers
#
# What has it found? The first three samples of some steps, seed 0, and of the last step, every seed:

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
# An answer of two digits has one pair of neighbours. If it ascends, all pairs do. And then the digits need not be those of the prompt
# at all: each seed ends with a few answers of its own, which it gives to everything. That is the short question of the real model once more: nothing in it to find fault with.
#
# It takes three answers to see it. A page of them at every evaluation (`--log-completions`, or the folder `completions/`) is
# the cheapest alarm there is.
#
# ## What helps, and how far
#
# - **A second metric**, independent of the reward, from the first step on. Here the length would have done, if late, for the true reward
#   sinks before the answers are much shorter, and with some luck: a longer answer that ascends would have earned as much.
# - **Stop early**, where the second metric is best. That needs one that is close to what you want.
# - **A KL penalty.** $\mathrm{KL}(\pi \,\|\, \pi_0)$ says how far the policy has moved away from the base $\pi_0$, in nats: the mean of
#   $\log \pi(o) - \log \pi_0(o)$ over its own samples. GRPO and PPO can subtract it (`--beta`); GRAO's objective has no such term.
# - **A better reward**: close the loophole, and look for the next one.

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
above.set(ylabel="true reward", ylim=(0, 1.5), yticks=(0, 0.5, 1))
above.legend(loc="upper left", fontsize=10)
below.set(xlabel="step", ylabel="KL to the base, nats an answer")
style.show(
    drawn,
    "The true reward, and how far the policy is from the base, of the same four runs (the penalty is 0.3). Means and bands as before.",
    alt="On the proxy the true reward falls to about 0.15 with GRAO and GRPO alike; with the penalty it stays about where "
    "it began. The distance is largest for the hacked policies; the honest one moves away too.",
)

# %% [markdown]
# What to see: the penalty holds the worst off, and cures nothing: the proxy still rises, the true reward does not. And a distance says *how far*, not *where to*: the policy that learnt to sort has left the base as well, by half as much or so. There is no setting that makes
# a wrong reward right. There are only ways to notice it in time.
#
# In the recorded run of the real model the distance is 6 nats an answer after thirty steps. To read its 67 answers takes
# ten minutes.
#
# ## What was claimed

# %%
assert exams[-1]["eval_reward"] - exams[0]["eval_reward"] > 0.9
assert (
    log["completions/mean_length"][-10:].mean()
    < 0.6 * log["completions/mean_length"][:10].mean()
)
assert (
    log["loss_share/imitation"][20:].mean()
    < log["loss_share/imitation"][:10].mean() - 0.1
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
    assert log["loss_share/imitation"].mean() > log[f"loss_share/{term}"].mean()
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
assert penalised["true"].mean() > free["true"].mean() + 0.05  # holds the worst off
assert (
    penalised["true"].mean() < first["the same with KL penalty"]["true"].mean() + 0.05
)  # no cure
assert 3 < control["KL"].mean() < 0.75 * last["GRAO on the proxy"]["KL"].mean()

# %% [markdown]
# ## Exercises
#
# In `tutorials/exercises/exercise_7.py`, judged by `make exercise 7`:
#
# 1. `wilson`: the interval of a share, which no count of 0 can fool.
# 2. `divergence`: KL to the base, from the log-probabilities of sampled tokens.
# 3. `step_to_keep`: the checkpoint to keep, by a second metric that is not the reward.
#
# Ours are in `tutorials/solutions/solution_7.py`.
