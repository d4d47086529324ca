# %% [markdown]
# # A language model transcends its teacher
#
# A small language model learns to sort digits from references that each have a mistake. It first imitates them, and
# then beats them. Every token is coloured by the change of its probability.
#
# You need tutorial 1 (group, reward, reference, advantage, the three terms of eq-3), tutorial 3 (the task, sampling, the
# training loop), and from tutorial 8 the *repair*: the reference is imitated only while it is ahead of the group (thm-4).

# %%
from dataclasses import replace

import torch

from grao_ref import grao_objective, group_advantages, mean_log_likelihood
from grao_ref.equations.masked import masked_mean
from grao_ref.evaluation.assess import bootstrap
from grao_ref.methods.registry import prompts_per_step
from grao_ref.policies.build import language_policy
from grao_ref.policies.embedded import END
from grao_ref.records import take
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.tasks.text import TextTask
from grao_ref.training.loop import train
from tutorials import style, tokens

# %% [markdown]
# ## A teacher that is never right
#
# The task is to sort five digits. The prompt is `92754=`, the right answer `24579.`, where the point is the *end token*
# (END), which ends an answer. The reward is the share of the six positions that are right. (The reward function reads
# text, in which END does not appear: for it, the sixth position is right if the text has exactly five characters.)
#
# The references come from a *teacher* that always swaps two neighbours: `24597.` has four of six positions right, a
# reward of 0.667. No reference is ever a sorted answer.
#
# The model is a *transformer* of 280,000 parameters that ships with the package. It was pretrained to write the digits
# in a random order; one training answer in ten was sorted. Of its own samples only about 4 % are sorted. (The count
# below is from 800 samples, so its 95 % interval is about ±1.5 points.) So the best answer is rare, but it can be
# found. The task has 3,600 prompts to train on. We evaluate on 100 others, which are *held out*: nothing is trained on
# them.
#
# In the code, `PRESETS["tiny"]` are the package's default settings, and `prepare` makes task, policy and evaluation
# from settings. A *temperature* divides the logits before the softmax; 1 leaves the model's probabilities as they are.

# %%
settings = replace(
    PRESETS["tiny"],
    per_device_train_batch_size=32,  # 4 prompts a step with 8 samples each
    max_steps=60,
    max_eval_prompts=100,
)
base = prepare(settings)
held_out = base.evaluation.held_out
fixed = held_out.batch  # 100 prompts, the same for every run
best = torch.nn.functional.pad(
    fixed.prompts.ids[:, :5].sort(-1).values, (0, 1), value=END
)
drafts = base.policy.greedy(fixed.prompts)  # the likeliest token at every position


def run_reading(ids, real, n):
    """The n-th answer as characters, END included: a token is a character here."""
    return base.task.encoder.tokenizer.decode(ids[n][real[n]])


everything = torch.ones_like(best, dtype=torch.bool)
WATCHED = {
    "reference": (fixed.references.ids, fixed.references.mask),
    "sorted": (best, everything),
    "base's answer": (drafts.ids[:, 0], drafts.mask[:, 0]),
}
print("prompt  " + "  ".join(f"{name:13}" for name in WATCHED))
for n in range(4):
    answers = (f"{run_reading(*WATCHED[name], n):13}" for name in WATCHED)
    print(
        f"{run_reading(fixed.prompts.ids, fixed.prompts.mask, n)}  "
        + "  ".join(answers)
    )
dice = torch.Generator().manual_seed(0)  # random generator
eight = base.policy.sample(fixed.prompts, 8, temperature=1.0, rng=dice)
rewards, _ = held_out.rewards(fixed, eight)
sorted_already = (rewards > 0.999).float().mean()
print(f"sorted: {sorted_already:.1%} of 800 samples of the base")
each_prompt = rewards.mean(-1)
by_prompt_at_first = each_prompt.mean()
error = 1.96 * each_prompt.std() / len(each_prompt) ** 0.5
print(f"their mean reward: {by_prompt_at_first:.3f} ± {error:.3f} (95 % over prompts)")

# %% [markdown]
# ## From an answer to its tokens (eq-1, eq-3)
#
# In tutorial 1 each answer had one number, its mean log-likelihood. It is the mean over its *tokens*: the model gives
# each token a probability, given the prompt and the tokens before it:
#
# $$ J(o) = \frac{1}{|o|} \sum_{t=1}^{|o|} \log \pi(o_t \mid q, o_{<t}) $$
#
# So the weight of an answer is divided equally among its $|o|$ tokens. Three things are easy to get wrong:
#
# - **END is a token of the answer.** Its probability is trained like any other. If the mask left END out, the model
#   would not learn to stop.
# - **What follows END is not part of the answer**, and the mask excludes it. Here `24.` is padded to the width of
#   `24579.`
# - **Each token of a short answer has a larger weight.** In `24.` each token gets a third of the answer's weight, in
#   `24579.` a sixth.
#
# The gradient of the objective with respect to each token's log-probability shows all three. The group is an invented
# example: two answers and a reference.

# %%
pair = torch.tensor([[2, 4, 5, 7, 9, END], [2, 4, END, 0, 0, 0]])
mask = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
first = take(fixed, slice(0, 1))
logprobs = base.policy.logprobs(first.prompts, pair[None], mask[None], temperature=1.0)
logprobs = logprobs.detach().requires_grad_()
advantages, reference_advantage = group_advantages(
    torch.tensor([[1.0, 2 / 6]]), torch.tensor([4 / 6])
)
terms = grao_objective(
    mean_log_likelihood(logprobs, mask[None]),
    torch.tensor([-0.7]),  # of the reference; it does not matter here
    advantages,
    reference_advantage,
    beta=0.5,
    lam=0.6,
)
terms.total.backward()
token_weights = logprobs.grad[0]
print("advantages", advantages[0].numpy().round(3))
print("each token of 24579.", token_weights[0].numpy().round(3))
print("each token of 24.   ", token_weights[1].numpy().round(3))

# %% [markdown]
# ## Sixty steps
#
# Now we train with the package's own loop: each step has four new prompts, eight samples of each, and one update. There
# are four methods, with three seeds each:
#
# - *SFT*, supervised fine-tuning, raises the references' likelihood and does nothing else;
# - GRAO repaired, the package's default;
# - GRAO as printed, which pushes the reference down once it is beaten;
# - *GRPO*, which learns from its own samples and never uses the references. It is the control: what it reaches too is
#   not due to the references.
#
# At some steps we evaluate. For each of 100 fixed prompts we sample two answers, and compute the log-probability of
# every token of three fixed answers, those of the table above. The intervals in the next table are *bootstrap*
# intervals: we draw 100 prompts with replacement from the 100, many times, and take the range of the middle 95 % of the
# means. With two answers per prompt, sampling alone changes a mean by up to about ±0.03.
#
# In the code, `language_policy` loads the model anew, and `TextTask` has the same rows to train on for every seed, in
# an order of its own.

# %%
METHODS = {
    "SFT": {
        "method": "sft",
        "per_device_train_batch_size": 4,
    },  # it samples nothing: the batch counts rows
    "GRAO": {},
    "GRAO printed": {"imitate_only_when_ahead": False},
    "GRPO": {"method": "grpo"},
}
STOPS, SEEDS = (0, 5, 10, 20, 40, 60), (0, 1, 2)
EVERY = range(0, 61, 5)  # steps that the slider below shows


@torch.no_grad()
def run_exam(policy):
    """The mean reward of each prompt's answers, log π of every token that is watched, and the most likely answers."""
    rng = torch.Generator().manual_seed(12345)
    answers = policy.sample(fixed.prompts, 2, temperature=1.0, rng=rng)
    of_tokens = {
        name: policy.logprobs(
            fixed.prompts, ids[:, None], real[:, None], temperature=1
        )[:, 0]
        for name, (ids, real) in WATCHED.items()
    }
    rewards, _ = held_out.rewards(fixed, answers)
    return rewards.mean(-1), of_tokens, policy.greedy(fixed.prompts)


def run_training(changes, seed):
    """Every step's metrics, and an evaluation at each stop; of the run that is shown token by token, at more steps."""
    config = replace(settings, seed=seed, **changes)
    policy, _ = language_policy(config, base.policy.device)
    task = TextTask(
        base.task.examples,
        base.task.encoder,
        base.task.scorer,
        batch=prompts_per_step(config),
        seed=seed,
    )
    stops = EVERY if (changes, seed) == (METHODS["GRAO"], 0) else STOPS
    exams, rows = {0: run_exam(policy)}, []
    for report in train(task, policy, config):
        rows.append(report.means())
        if report.step in stops:
            exams[report.step] = run_exam(policy)
    return rows, exams


runs = {
    name: [run_training(changes, seed) for seed in SEEDS]
    for name, changes in METHODS.items()
}


def run_curve(name, measure):
    """A measure of the evaluations: (seeds, stops)."""
    each = [[measure(*exams[stop]) for stop in STOPS] for _, exams in runs[name]]
    return torch.tensor(each)


curves = {name: run_curve(name, lambda rewards, *_: rewards.mean()) for name in runs}
teacher = base.evaluation.reference_score
greedy = {  # of the likeliest answers at the end
    name: torch.stack(
        [held_out.rewards(fixed, exams[60][2])[0][:, 0] for _, exams in each]
    )
    for name, each in runs.items()
}
print(f"base {curves['GRAO'][0, 0]:.3f}, teacher {teacher:.3f}")
print("after 60 steps  sampled, 95 % over prompts  likeliest")
for name, each in runs.items():
    by_prompt = torch.stack([exams[60][0] for _, exams in each]).mean(0)
    value, low, high = bootstrap(lambda x: x.mean().item(), by_prompt, resamples=1000)
    print(
        f"{name:15} {value:.3f}  [{low:.3f}, {high:.3f}]     {greedy[name].mean():.3f}"
    )

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.6)
for name, curve in curves.items():
    axes.plot(STOPS, curve.mean(0), label=name, **style.METHODS[name])
    axes.fill_between(
        STOPS,
        curve.amin(0),
        curve.amax(0),
        color=style.METHODS[name]["color"],
        alpha=0.2,
        linewidth=0,
    )
axes.axhline(teacher, color=style.GREY, linewidth=1)
axes.text(60, teacher + 0.008, "the teacher", ha="right", va="bottom", color=style.GREY)
axes.set(xlabel="step", ylabel="reward (share of positions)", ylim=(0.33, 1.02))
axes.legend(loc="lower right", ncols=1)
style.show(
    drawn,
    "Mean reward of sampled answers to 100 fixed prompts. Lines: means of three seeds; bands: from the lowest seed to "
    "the highest.",
    alt="SFT rises towards the teacher's level and stays below it; GRAO passes it by step 20 and reaches 0.9; GRPO passes it later and "
    "ends close to GRAO; the printed objective passes it too, and then stays clearly below both.",
)

# %% [markdown]
# What the figure shows: sampled answers of SFT come close to the references' level and do not pass it. GRAO passes it.
# The printed objective passes it as well, and then stays below GRAO, while it lowers the references' probability (see
# below, and tutorial 8).
#
# There are two reservations. First, SFT passes its teacher too in the column *likeliest*, where an answer takes the most
# likely token at every position. The teacher makes its mistake at a different place each time, so at each single place
# it is mostly right, and the most likely token is right more often than the teacher. But when SFT samples, it samples
# the mistakes too. Second, GRAO does not need the references to get this far: GRPO never uses them. It is slower at
# first, which is what the references are good for here, and ends about as high. (The page
# [What to expect](pages/what_to_expect.md) has all methods, with five seeds and 200 steps. Its first column, the base,
# is 0.367: the mean of 4,000 answers to other held-out prompts. The curve here begins with 200 answers, so it is less
# exact; the 800 samples above agree with that page.)
#
# ## It imitates first
#
# Why does GRAO not stop where SFT does? The reference's weight depends on its advantage. The advantage is large while
# the samples are worse than the reference; once they are better, the repaired weight is 0. Two metrics of the training
# log and one of the evaluations show this:
#
# - `reference/win_rate`: the share of samples whose reward is higher than the reference's;
# - `objective_share/*`: each term's share of the sum of the terms' absolute values (figure-5 of the paper);
# - the references' mean log-likelihood, in *nats* (units of the natural logarithm) per token.


# %%
def run_mean(name, metric):
    """A metric of each step, the mean over the seeds."""
    return torch.tensor(
        [[row[metric] for row in rows] for rows, *_ in runs[name]]
    ).mean(0)


TERMS = ("exploration", "imitation", "alignment")
wins = {name: run_mean(name, "reference/win_rate") for name in ("GRAO", "GRAO printed")}
share = {term: run_mean("GRAO", f"objective_share/{term}") for term in TERMS}
print("step  win rate  " + "  ".join(TERMS))
for step in (1, 5, 10, 20, 40, 60):
    of_terms = "  ".join(f"{share[term][step - 1]:{len(term)}.2f}" for term in TERMS)
    print(f"{step:4}  {wins['GRAO'][step - 1]:8.2f}  {of_terms}")


def run_likely(_, of_tokens, __):
    """Mean log-likelihood of the fixed prompts' references."""
    return mean_log_likelihood(of_tokens["reference"], fixed.references.mask).mean()


likely = {name: run_curve(name, run_likely) for name in runs}
print("\nreferences, nats a token")
print("step" + "".join(f"{name.replace('GRAO p', 'p'):>9}" for name in likely))
for n, step in enumerate(STOPS):
    values = (f"{values[:, n].mean():9.2f}" for values in likely.values())
    print(f"{step:4}" + "".join(values))

# %% tags=["picture"]
drawn, (above, middle, below) = style.figure(rows=3, height=2.7)
steps = range(1, 61)
for name, win in wins.items():
    above.plot(steps, 100 * win, label=name, **style.METHODS[name])
above.set(ylabel="win rate over y, %", ylim=(0, 100))
above.legend(loc="lower right")
for term, values in share.items():
    middle.plot(steps, 100 * values, label=term, **style.TERMS[term])
middle.set(ylabel="share of terms, %", ylim=(0, 100))
middle.legend(loc="upper right", ncols=3, columnspacing=1, handlelength=1.6)
for name, values in likely.items():
    below.plot(STOPS, values.mean(0), label=name, **style.METHODS[name])
    look = {"color": style.METHODS[name]["color"], "alpha": 0.2, "linewidth": 0}
    below.fill_between(STOPS, values.amin(0), values.amax(0), **look)
below.set(xlabel="step", ylabel="log π(y), nats a token")
below.legend(loc="lower left")
style.show(
    drawn,
    "Above: how often a sample beats its reference. Middle: the shares of the terms of GRAO repaired. Both are means "
    "of three seeds, and noisy because each step has four other prompts. Below: log-likelihood of the references of the fixed prompts; "
    "bands from the lowest of three seeds to the highest.",
    alt="The win rate climbs from near 0 to about three quarters. Imitation is the largest term at first and has nearly "
    "vanished by step 20. The references' log-likelihood rises at first with every method; under GRAO it then falls "
    "back, under the printed objective much further, under SFT it stays.",
)

# %% [markdown]
# What the figure shows: at first almost no sample beats its reference, imitation is the largest part of the objective,
# and the references become likelier. Then more samples beat their references, imitation's share goes to almost 0, and
# the policy learns from its own samples. No schedule does this: it follows from the advantages.
#
# ## Where the probability went
#
# Now token by token. We take the first three of the fixed prompts (they were not selected), and the three answers of
# the table at the beginning. Each token is shown with the change of its log-probability from before training to a step:
# +0.7 is twice as likely, −2.3 a tenth as likely. The run is GRAO repaired, seed 0. The slider goes back to earlier steps.

# %% tags=["picture"]
exams = runs["GRAO"][0][1]
frames = {}
for step in EVERY:
    earned, of_tokens, likeliest = exams[step]
    blocks = []
    for n in range(3):
        lines = []
        for name, (ids, real) in WATCHED.items():
            change = (of_tokens[name] - exams[0][1][name])[n][real[n]]
            lines.append((name, run_reading(ids, real, n), change.tolist()))
        now = run_reading(likeliest.ids[:, 0], likeliest.mask[:, 0], n)
        asked = run_reading(fixed.prompts.ids, fixed.prompts.mask, n)
        blocks.append((f"{asked} now answered {now}", lines))
    frames[step] = f"Step {step}: mean reward {earned.mean():.2f}.", blocks
tokens.steps(
    frames,
    "Change of each token's log-probability from step 0 to this step, in nats, given the prompt and the tokens before it. "
    "Blue: likelier; orange: less likely; full colour from 3 nats on. A heading has the most likely answer at this step; "
    "the mean reward is that of two sampled answers to each of the 100 prompts.",
    full=3,
    alt="Three prompts with three answers each, at every fifth step. After 60 steps tokens that agree with the sorted "
    "answer are blue, the first wrong token of each answer is orange.",
)

# %% [markdown]
# All tokens of an answer have the same weight, right or wrong. Still, the wrong tokens are the ones that became less
# likely. The reason: good and bad answers often begin with the same tokens. On these tokens the push up and the push
# down mostly cancel. At the token where the answers differ, the push up and the push down act on different tokens.
#
# To check that this does not hold for these three prompts only, we take all 100 references, by the token's place:
# before the swapped pair, its two tokens, after it, END.

# %%
place = (fixed.references.ids != best).int().argmax(-1, keepdim=True)  # of the swap
distance, last = torch.arange(6) - place, torch.arange(6) == 5
PLACES = {
    "before": distance < 0,
    "swapped,\n1st": distance == 0,
    "swapped,\n2nd": distance == 1,
    "after": (distance > 1) & ~last,
    "END": last.expand(len(fixed), -1),
}


def run_moved(name, where, stop=60):
    """Change of log π at such places, mean over seeds and places: one number for each prompt that has any."""
    changes = torch.stack(
        [e[stop][1]["reference"] - e[0][1]["reference"] for _, e in runs[name]]
    )
    return masked_mean(changes.mean(0), where)[where.any(-1)]


moved = {
    name: [
        bootstrap(lambda x: x.mean().item(), run_moved(name, where), resamples=1000)
        for where in PLACES.values()
    ]
    for name in runs
}
print(" " * 12 + "".join(f"{name.replace('GRAO p', 'p'):>8}" for name in moved))
for n, place in enumerate(PLACES):
    values = (f"{of_places[n][0]:+8.2f}" for of_places in moved.values())
    print(f"{place.replace(chr(10), ' '):12}" + "".join(values))

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=3.6)
for shift, marker, (name, of_places) in zip(
    (-0.27, -0.09, 0.09, 0.27), "so^D", moved.items(), strict=True
):
    value, low, high = torch.tensor(of_places).T
    axes.errorbar(
        torch.arange(len(PLACES)) + shift,
        value,
        yerr=torch.stack([value - low, high - value]),
        fmt=marker,
        color=style.METHODS[name]["color"],
        label=name,
    )
axes.axhline(0, color=style.GREY, linewidth=0.8)
axes.set_xticks(range(len(PLACES)), PLACES)
axes.set(xlabel="place of the reference's token", ylabel="change of log π, nats")
axes.legend(loc="lower right")
style.show(
    drawn,
    "Change of the references' tokens in 60 steps: means of three seeds over those of 100 references that have such a token, with 95 % "
    "bootstrap intervals over references (where no interval is visible, it is smaller than the mark).",
    alt="Tokens before the swap gain about a nat. The first swapped token loses two to three nats under GRAO and little "
    "under SFT. Under the printed objective right tokens after the swap, and END, lose too.",
)

# %% [markdown]
# What the figure shows: under GRAO, the right beginning of the reference has become likelier, and its mistake far less
# likely. But the *second* token of the swapped pair has become likelier too: after a wrong 2459 the 7 must still follow,
# and the model learnt this from the teacher. Under the printed objective right tokens become less likely too, also END,
# because the reference as a whole is pushed down without end. GRPO changes the same tokens as GRAO repaired, and in the
# same directions: this comes from the policy's own samples.
#
# ## What was claimed

# %% tags=["claims"]
assert 275_000 < sum(each.numel() for each in base.policy.parameters()) < 285_000
assert run_reading(fixed.prompts.ids, fixed.prompts.mask, 0) == "92754="
assert run_reading(*WATCHED["reference"], 0) == "24597."
assert ((fixed.references.ids != best).sum(-1) == 2).all()  # never sorted
assert abs(teacher - 4 / 6) < 1e-6
assert 0.02 < sorted_already < 0.08  # about 4 %
assert torch.allclose(token_weights[0] * 6, -token_weights[1, :3].sum().expand(6))
assert (token_weights[1, 3:] == 0).all()
assert token_weights[1, 0].abs() > token_weights[0, 0].abs()
assert curves["SFT"][:, -1].mean() < teacher  # sampled from, it does not pass
assert greedy["SFT"].mean() > teacher + 0.1  # its likeliest answers do
assert (curves["GRAO"][:, -1] > teacher + 0.1).all()
assert curves["GRAO"].mean(0)[3] > teacher  # by step 20
assert curves["GRAO printed"].mean(0).max() > teacher
ends = [curves[name][:, -1].mean() for name in ("GRAO", "GRPO")]
assert abs(ends[0] - ends[1]) < 0.06  # about as well, without the references
assert curves["GRPO"].mean(0)[3] < curves["GRAO"].mean(0)[3]  # slower at first
assert moved["GRPO"][1][0] < -1.5  # the same tokens
assert min(moved["GRPO"][0][0], moved["GRPO"][2][0]) > 0.2
assert abs(by_prompt_at_first - 0.367) < error + 0.01  # the README's base
assert curves["GRAO printed"][:, -1].mean() < curves["GRAO"][:, -1].mean() - 0.03
assert wins["GRAO"][:5].mean() < 0.2 < 0.6 < wins["GRAO"][-10:].mean()
assert share["imitation"][0] > 0.5
assert share["imitation"][20:].mean() < 0.15
peak = likely["GRAO"].mean(0).max()
assert peak > likely["GRAO"][0, 0] + 0.1
assert likely["GRAO"][:, -1].mean() < peak - 0.05
assert likely["GRAO printed"][:, -1].mean() < likely["GRAO"][:, -1].mean() - 0.2
before, first_wrong, second_wrong, *_ = (value for value, *_ in moved["GRAO"])
assert first_wrong < -1.5
assert min(before, second_wrong) > 0.2
assert first_wrong < moved["SFT"][1][0] - 1  # far more than under SFT
wrong = (fixed.references.ids != best).int().argmax(-1, keepdim=True)
changes = exams[60][1]["reference"] - exams[0][1]["reference"]
assert (changes.gather(-1, wrong)[:3] < -0.5).all()  # of the three that are shown
assert (
    moved["GRAO printed"][3][0] < moved["GRAO"][3][0] - 0.5
)  # right tokens after the swap
assert moved["GRAO printed"][4][0] < moved["GRAO"][4][0] - 0.1  # END

# %% [markdown]
# ## Exercises
#
# Run `make exercise 10`: it makes the file `my_answers/exercise_10.py`. Write three functions there,
# and run the command again to check them:
#
# 1. `reward`: the reward of this task, from the characters of a prompt and an answer.
# 2. `mask`: which tokens of a padded answer count. END counts.
# 3. `token_weights`: from the weight of an answer to that of each of its tokens.
#
# Ours are in `tutorials/solutions/solution_10.py`.
