# %% [markdown]
# # Questions, with answers that run
#
# My loss is 0. My loss grows. My reward does not move, my answers grow and grow, my KL is negative, my ratio is not 1,
# I have NaNs, my run does not fit, my template is strange: each symptom is produced or measured in a few lines, with its cause and what to do.
#
# You need tutorial 1, tutorial 11 for the KL, and tutorial 4 for the bandit: many tables with ten answers each, the best
# (reward 1), the reference (0.7) and eight failures (0). Names in `code` are those of a run's `metrics.jsonl`.

# %%
from dataclasses import replace

import torch
from rich.console import Console
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from grao_ref import group_advantages, mean_log_likelihood
from grao_ref.equations.advantage import scored_advantages
from grao_ref.equations.divergence import exact_kl, k1, k3
from grao_ref.equations.grpo import GRPO_LOSS_TYPES, grpo_objective
from grao_ref.equations.logprob import probability_ratio
from grao_ref.equations.reduce import batch_loss
from grao_ref.memory.counting import GRADIENTS, MOMENTS, OTHER, WEIGHTS
from grao_ref.memory.estimate import estimate
from grao_ref.memory.lengths import by_settings
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import END, tiny_model
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Scores
from grao_ref.runs.dry_run import dry_run
from grao_ref.settings.config import Config
from grao_ref.settings.presets import TINY
from grao_ref.setups import prepare
from grao_ref.tasks.bandit import Bandit
from grao_ref.text.encoding import Encoder
from grao_ref.text.remarks import remarks
from grao_ref.training.loop import train
from theory.claims.exp_length import long_wrong_share
from theory.runs import settings
from tutorials import style
from tutorials.scale import architecture

REWARDS = torch.tensor([1.0, 0.7, *[0.0] * 8], dtype=torch.float64)


def run_bandit(task=Bandit, *, success=0.1, rows=300, **changes):
    """Train rows whose good answers have probability `success` each: the mean metrics of every step, and V."""
    start = torch.tensor([success] * 2 + [(1 - 2 * success) / 8] * 8).double()
    bandit, policy = (
        task(REWARDS, 1, rows),
        TabularPolicy(start.log().expand(rows, -1)),
    )
    return [
        report.means() | {"V": bandit.expected_reward(policy.theta).mean().item()}
        for report in train(bandit, policy, settings(**changes))
    ]


# %% [markdown]
# ## My loss is 0
#
# **What you see.** GRPO's loss is 0.0000 at every step, but the reward rises.

# %%
grpo = run_bandit(method="grpo")
print("step    loss  reward  gradient")
for step in (0, 49, 99):
    loss, reward, slope = (grpo[step][k] for k in ("loss", "V", "grad_norm"))
    print(f"{step + 1:4}  {abs(loss):.4f}    {reward:.2f}  {slope:8.1f}")

# %% [markdown]
# **Why.** At the first update on a batch the *value* of the objective is the mean of the advantages, 0; its *slope* is
# not 0. [Tutorial 5](05_groups_that_teach_nothing.py) has the derivation.
#
# **What to do.** Nothing. Watch `reward` and `grad_norm`. If the gradient is 0 as well, see "My reward does not move".

# %%
assert all(abs(metrics["loss"]) < 1e-9 for metrics in grpo)
assert all(metrics["grad_norm"] > 1 for metrics in grpo)
assert grpo[-1]["V"] > grpo[0]["V"] + 0.5

# %% [markdown]
# ## My loss grows, and so does my reward
#
# **What you see.** The loss rises for a hundred steps, and so does the reward.

# %%
penalised = run_bandit(method="grpo", beta=0.1)  # a KL penalty, as in TRL
repaired = run_bandit(method="grao")
printed = run_bandit(method="grao", imitate_only_when_ahead=False)
runs = {
    "GRPO, KL penalty": (penalised, style.METHODS["GRPO"]),
    "GRAO repaired": (repaired, style.METHODS["GRAO"]),
    "GRAO printed": (printed, style.METHODS["GRAO printed"]),
}

# %% tags=["picture"]
drawn, (above, below) = style.figure(rows=2, height=2.6)
for name, (steps, line) in runs.items():
    above.plot([each["V"] for each in steps], label=name, **line)
    below.plot([each["loss"] for each in steps], **line)
above.set(ylabel="expected reward")
above.legend(loc="lower right")
below.set(ylabel="loss", xlabel="step", yscale="symlog")
style.show(
    drawn,
    "Three runs (means over 300 rows): the reward rises in all of them. The loss rises in one, falls and rises in the "
    "second, and falls without end in the third, where the reference becomes less and less likely (thm-4). The loss's axis is "
    "logarithmic beyond ±1.",
    alt="Above, three rising curves of the expected reward. Below, three losses that go up, down and up, and far down.",
)

# %% [markdown]
# **Why.** With a KL penalty GRPO's loss *is* the penalty, β times the KL, and a policy that learns moves away from its
# start. GRAO's loss is a weighted sum of log-likelihoods with new weights at every step, so its values at two steps
# can't be compared. A falling loss is not a good sign either: the printed objective's loss falls without end, because
# the reference becomes less and less likely (thm-4).
#
# **What to do.** Read the reward on held-out prompts (`eval_reward`), `kl`, and `reference/logp_per_token`.

# %%
for metrics in penalised:
    assert abs(metrics["loss"] - 0.1 * metrics["kl"]) < 1e-9
assert penalised[-1]["loss"] > 0.1
assert repaired[-1]["loss"] > repaired[20]["loss"] + 0.3
assert printed[-1]["loss"] < -10
for steps, _ in runs.values():
    assert steps[-1]["V"] > steps[20]["V"] + 0.2
assert (
    printed[-1]["reference/logp_per_token"] < repaired[-1]["reference/logp_per_token"]
)

# %% [markdown]
# ## My reward does not move
#
# **What you see.** After fifty steps the reward has hardly risen, and `frac_reward_zero_std` is near 1. Here are five
# settings where success is rare, with the share of dead groups at the first step and the expected reward at the last:

# %%
tried = {
    "GRPO, G = 8": {"method": "grpo"},
    "GRPO, G = 2": {"method": "grpo", "num_generations": 2},
    "GRPO, G = 64": {"method": "grpo", "num_generations": 64},
    "GRPO, temperature 0.3": {"method": "grpo", "temperature": 0.3},
    "GRAO, G = 8": {"method": "grao"},
}
found = {}
print("                      dead  reward")
for name, changes in tried.items():
    run = run_bandit(success=0.02, max_steps=50, **changes)
    found[name] = run[0]["frac_reward_zero_std"], run[-1]["V"]
    print(f"{name:21} {found[name][0]:4.0%}    {found[name][1]:.2f}")

# %% [markdown]
# **Why.** Most groups of eight hold failures only: they are *dead* ([tutorial 5](05_groups_that_teach_nothing.py)). A low
# temperature samples mostly the likeliest answers, and makes this worse.
#
# **What to do.** Use larger groups (they cost more samples), temperature 1, prompts that are neither too hard nor
# already solved, a reward with values between 0 and 1. Or use a reference: in GRAO a group of failures pulls the policy
# towards it. That brings the policy to the reference's reward, here 0.7. Tutorial 7 shows when it goes beyond.

# %%
dead, reached = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
assert dead["GRPO, G = 64"] < 0.2 < 0.6 < dead["GRPO, G = 8"] < dead["GRPO, G = 2"]
assert dead["GRPO, temperature 0.3"] > 0.95
assert reached["GRPO, temperature 0.3"] < 0.05
assert reached["GRPO, G = 64"] > reached["GRPO, G = 8"] > reached["GRPO, G = 2"]
assert 0.6 < reached["GRAO, G = 8"] < 0.75

# %% [markdown]
# ## My answers grow and grow
#
# **What you see.** `completions/mean_length` rises, mostly because wrong answers become longer. (We do not show a run
# where this happens, but the push on each token.)
#
# Two wrong answers, one of 2 tokens and one of 16, both with advantage −1. How hard is each token pushed down?

# %%
lengths = torch.tensor([2, 16])
mask = torch.arange(16) < lengths[:, None]
pushes = {}
for name in ("grpo", "dapo", "dr_grpo"):
    logprobs = torch.zeros(2, 16, requires_grad=True)
    terms = grpo_objective(
        logprobs, torch.zeros(2, 16), torch.tensor([-1.0, -1.0]), mask
    )
    kind = GRPO_LOSS_TYPES[name]
    batch_loss(kind.numerator(terms, mask), kind.denominator(mask, 16)).backward()
    pushes[name] = logprobs.grad[:, 0].tolist()
    print(f"{name:8} short {pushes[name][0]:.3f}   long {pushes[name][1]:.3f}")

# %% [markdown]
# **Why.** With the mean over an answer's tokens, 1/|o|, each token of a long answer has a smaller weight. So a long
# wrong answer is pushed down less than a short one. GRPO has this mean (`loss_type="grpo"`), and so has eq-3 (by eq-1).
# Here is the share of the long answer among the wrong answers after 100 steps, when both wrong answers start equally
# likely (exp-length; exact):

# %%
long = {mean: long_wrong_share(16, mean, steps=100) for mean in (True, False)}
print(f"mean over tokens {long[True]:.0%}, sum {long[False]:.0%}")

# %% [markdown]
# **What to do.** In GRPO use `loss_type="dr_grpo"` or `"dapo"`. In GRAO watch `completions/mean_length`, and let the
# reward prefer the length you want. Also look at `completions/clipped_ratio`: an answer that is truncated at
# `max_completion_length` has no END, and is scored without it. The embedded model needs six tokens. We give it four,
# then eight, and look at the best reward among 128 answers:

# %%
task = prepare(TINY).task  # sort five digits, 16 prompts a step
clipped, highest = {}, {}
for limit in (4, 8):
    lm = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=limit)
    report = next(iter(train(task, lm, TINY)))
    clipped[limit] = report.means()
    highest[limit] = report.batch.rewards.outputs.max().item()
    print(
        f"{limit} tokens: truncated {clipped[limit]['completions/clipped_ratio']:.0%}, "
        f"best {highest[limit]:.2f}"
    )

# %%
assert pushes["grpo"][0] > 7 * pushes["grpo"][1]
for name in ("dapo", "dr_grpo"):
    assert abs(pushes[name][0] - pushes[name][1]) < 1e-6
assert long[True] > 0.6
assert abs(long[False] - 0.5) < 0.02
assert clipped[4]["completions/clipped_ratio"] > 0.9
assert clipped[8]["completions/clipped_ratio"] < 0.1
assert highest[4] < 0.7 < 0.8 < highest[8]

# %% [markdown]
# ## My KL is negative
#
# **What you see.** A KL divergence can't be negative, but the logged number is.

# %%
dice = torch.Generator().manual_seed(0)  # random generator
before = torch.randn(50, generator=dice).log_softmax(-1)
now = (before + 0.2 * torch.randn(50, generator=dice)).log_softmax(-1)
kl = exact_kl(now, before).item()
drawn_from = {
    "the policy": now,
    "the frozen policy": before,
}
batches = {}
for source, logprobs in drawn_from.items():
    ids = torch.multinomial(logprobs.exp(), 500 * 64, replacement=True, generator=dice)
    real = torch.ones(500, 64, dtype=torch.bool)
    for name, estimator in (("k1", k1), ("k3", k3)):
        tokens = estimator(now[ids].view(500, 64), before[ids].view(500, 64), real)
        batches[name, source] = tokens.mean(dim=1)
print(f"exact {kl:23.4f}")
print("   sampled from          mean   < 0")
for (name, source), means in batches.items():
    print(f"{name} {source:18} {means.mean():+.4f}  {(means < 0).double().mean():4.0%}")

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=2.9)
edges = torch.linspace(-0.08, 0.12, 51).tolist()
for name, colour in (("k1", style.SKY), ("k3", style.ORANGE)):
    means = batches[name, "the policy"].tolist()
    axes.hist(means, bins=edges, color=colour, alpha=0.7, label=name)
axes.axvline(kl, color=style.BLACK, linestyle="--", label="exact")
axes.set(xlabel="mean over 64 tokens, nats", ylabel="batches")
axes.set_xticks([-0.05, 0, 0.05, 0.1])
axes.legend(loc="upper left")
style.show(
    drawn,
    "500 batches of 64 tokens, sampled from the policy. Both estimators are right on average; k1 has values on both sides of 0.",
    alt="A wide histogram of k1 around the exact KL, reaching below 0, and a narrow one of k3 above 0.",
)

# %% [markdown]
# **Why.** From samples a KL is only estimated. *k1*, the difference of two log-probabilities, is right on average, and
# a single value may have either sign. *k3* adds a term whose mean is 0; this makes every value 0 or positive and the
# variance small. Both hold only if the samples come from the policy itself. With samples from another policy k1 is
# biased, and may be negative on average.
#
# **What to do.** A few negative batches of k1 are noise. For monitoring use k3, as GRPO's `kl` does. If the mean over
# many batches is negative, look for samples that do not come from the policy: old ones, or ones sampled at another
# temperature.

# %%
shares = {each: (means < 0).double().mean().item() for each, means in batches.items()}
assert 0.05 < shares["k1", "the policy"] < 0.6
assert shares["k3", "the policy"] == shares["k3", "the frozen policy"] == 0
for name in ("k1", "k3"):
    assert abs(batches[name, "the policy"].mean().item() - kl) < 0.2 * kl
assert batches["k3", "the policy"].std() < batches["k1", "the policy"].std() / 2
assert batches["k1", "the frozen policy"].mean() < -kl / 2

# %% [markdown]
# ## My ratio is not 1
#
# **What you see.** At the first update on a batch the policy is still the one that sampled it, so every *ratio*, the
# probability now over the probability then, should be 1. But it is 0.8, or 1.3. Here is the largest |ratio − 1| of a
# few hundred tokens, in six settings:


# %%
def run_ratio(sampler, scorer, temperature=1.0, likelihood_temperature=1.0, seed=0):
    """The largest distance from 1 among ratios of answers by one policy, scored again by another."""
    rng = torch.Generator().manual_seed(seed)
    prompts = task.rows(range(32)).prompts
    samples = sampler.sample(
        prompts,
        4,
        temperature=temperature,
        rng=rng,
        likelihood_temperature=likelihood_temperature,
    )
    with torch.no_grad():
        again = scorer.logprobs(prompts, samples.ids, samples.mask, temperature=1.0)
    ratios = probability_ratio(again, samples.logprobs, samples.mask)
    return (ratios - 1).abs().max().item()


options = {"eos_ids": [END], "max_completion_length": 8}
policy = CausalLMPolicy(tiny_model(), **options)
half = CausalLMPolicy(tiny_model(), bf16=True, **options)
with torch.random.fork_rng():
    torch.manual_seed(0)
    size = {"vocab_size": 12, "n_positions": 32, "n_embd": 32, "n_layer": 2}
    gpt2 = GPT2LMHeadModel(
        GPT2Config(n_head=2, bos_token_id=None, eos_token_id=END, **size)
    )
    wrapped = CausalLMPolicy(gpt2, **options)  # takes the dropout out
    off = {
        "as it should be": run_ratio(policy, policy),
        "the sampler's, at 0.7": run_ratio(policy, policy, 0.7, 0.7),
        "sampled at 0.7, rescored at 1": run_ratio(policy, policy, 0.7, 1.0),
        "scored in bfloat16": run_ratio(policy, half),
        "no dropout": run_ratio(wrapped, wrapped),
    }
    for module in gpt2.train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1  # as in a library's model during training
    off["dropout of 10 %"] = run_ratio(wrapped, wrapped)
for name, distance in off.items():
    print(f"{name:31}{distance:.0e}")

# %% [markdown]
# **Why.** Something differs between sampling and scoring: *dropout* removes other units; the sampler divides the logits
# by a temperature and the trainer does not; one of the two (the sampler is often another program)
# computes in *bfloat16*, with two to three digits. From the second update on the same batch, the ratio should differ from 1: it measures how far the policy
# has moved, and clipping limits this.

# %%
once, often = (
    run_bandit(method="grpo", num_iterations=k, learning_rate=1.0, max_steps=5)[0][
        "clip_ratio/region_mean"
    ]
    for k in (1, 4)
)
print("share of ratios outside 1 ± 0.2")
print(f"one update {once:.0%}, mean of four {often:.0%}")

# %% [markdown]
# **What to do.** First print the ratio of the first update. Turn dropout off, also in training (this package sets it to
# 0). Use log-probabilities of the trainer, not of the sampler, and one temperature for both. (This package computes the
# log-probabilities of its samples at the temperature of training, so its ratio is 1 at any sampling temperature.)

# %%
assert off["as it should be"] < 1e-4
assert off["no dropout"] < 1e-4
assert off["sampled at 0.7, rescored at 1"] < 1e-4
assert off["the sampler's, at 0.7"] > 0.1
assert off["dropout of 10 %"] > 0.05
assert 1e-3 < off["scored in bfloat16"] < 0.5
assert once == 0
assert often > 0.1

# %% [markdown]
# ## I have NaNs
#
# **What you see.** One NaN, and after the next step all numbers are NaN. Here are four causes of a NaN, and what the
# package computes instead:

# %%
nan, inf = torch.nan, torch.inf
flat, unscored = torch.full((4,), 0.5), torch.tensor([0.0, 1.0, nan, 1.0])
scored, half_right = ~unscored.isnan(), torch.tensor(0.5)
logp, nothing = torch.tensor([-1.0, -inf]), torch.tensor([False, False])
first = torch.tensor([True, False])
pairs = {
    "all rewards equal: 0/0": (
        (flat - flat.mean()) / flat.std(correction=0),
        group_advantages(flat, half_right)[0],
    ),
    "an answer without a reward": (
        (unscored - unscored.mean()) / unscored.std(correction=0),
        scored_advantages(
            unscored, half_right, scored=scored, reference_scored=torch.tensor(True)
        )[0],
    ),
    "an answer without a token: 0/0": (
        (torch.zeros(2) * nothing).sum() / nothing.sum(),
        mean_log_likelihood(logp, nothing),
    ),
    "−inf in the padding: 0·∞": (
        (logp * first).sum() / first.sum(),
        mean_log_likelihood(logp, first),
    ),
}
for name, (naive, ours) in pairs.items():
    print(
        f"{name}\n  {naive.tolist()}\n  {[round(x, 2) for x in ours.view(-1).tolist()]}"
    )

# %% [markdown]
# **Why.** Each of these divides 0 by 0, multiplies 0 by infinity, or uses a missing reward. In the package, the
# advantages of a dead group are 0; answers without a reward are ignored; and a mask *selects* (`torch.where`) and does
# not multiply, because 0 · NaN is NaN, in the gradient too.
#
# **What to do.** Let a reward function return `None` for an answer that it can't score (NaN is refused), and watch
# `frac_unscored`. In the records of the package a mask says which answers were *scored*. Here one of the ten answers has
# no reward:


# %%
class Unscored(Bandit):
    """The bandit, where the last answer has no reward."""

    def reward(self, batch, ids, mask):
        """R(a), where there is one."""
        scored = ids != len(self.rewards) - 1
        return Scores(self.rewards[ids] * scored, scored)


partly = run_bandit(Unscored, method="grao")
print(
    f"unscored {partly[0]['frac_unscored']:.0%}, then {partly[-1]['frac_unscored']:.0%}",
)
print(f"reward {partly[0]['V']:.2f} → {partly[-1]['V']:.2f}")

# %% [markdown]
# An infinite reward is different: no advantage can be computed from it, so it raises an error. A step whose gradient is
# not finite raises one too: the loop stops, and the policy is not changed.

# %%
try:
    group_advantages(torch.tensor([0.0, inf]), torch.tensor(0.5))
    refusal = ""
except ValueError as error:
    refusal = str(error)
print(refusal)

# %%
for naive, ours in pairs.values():
    assert naive.isnan().any()
    assert ours.isfinite().all()
assert 0.05 < partly[0]["frac_unscored"] < 0.15
assert partly[-1]["V"] > 0.8
assert "finite" in refusal

# %% [markdown]
# ## My run does not fit into memory
#
# **What you see.** A line that says how much memory the run needs and how much is free, before a model is loaded. Or, if
# the estimate was too low, an error "out of memory" in the middle of a run.
#
# Here is what a model of half a billion parameters needs on a GPU: a step of 8 groups of 8 answers, with prompts of 256
# tokens and answers of 512. Then three changes, one after the other. Nothing is loaded: the package's own code runs on
# outlines of the model, which have shapes and no numbers.

# %%
half_billion = architecture("Qwen2.5-0.5B")
whole = Config(
    per_device_train_batch_size=64,
    max_prompt_length=256,
    max_completion_length=512,
)
in_parts = replace(whole, per_device_train_batch_size=8, gradient_accumulation_steps=8)
again = replace(in_parts, gradient_checkpointing=True)
adapter = replace(again, use_peft=True, dtype="bfloat16")
steps = {
    "all at once": whole,
    "a group at a time": in_parts,
    "and checkpointing": again,
    "and an adapter, bfloat16": adapter,
}
needs = {
    name: estimate(config, half_billion, by_settings(config), cuda=True)
    for name, config in steps.items()
}
print("GB                          peak  state  activations  in the")
for name, need in needs.items():
    parts = need.phases[need.phase]
    state = sum(parts.get(kind, 0) for kind in (WEIGHTS, GRADIENTS, MOMENTS))
    print(
        f"{name:25}{need.peak / 1e9:7.1f}{state / 1e9:7.1f}"
        f"{parts[OTHER] / 1e9:13.1f}  {need.phase}"
    )

# %% [markdown]
# **Why.** Two things fill the memory. The *state*, weights, gradients and Adam's two moments, has up to 16 bytes for each
# parameter that is trained in float32. The *activations*, what the backward pass needs of each token, grow with the
# answers of a micro-batch and their length. The run has several phases (sampling, update, evaluation), and needs the
# largest of them, not their sum. [Scale](pages/scale.md) has every part.
#
# **What to do.** `--dry-run` prints the same for your own command, phase by phase, and the setting that saves most.
# `--device-memory` sets the GB that the run may use, to plan for a card that is not here:

# %%
# python -m grao_ref.train --dry-run --device cuda --device-memory 0.01
config = replace(TINY, device="cuda", device_memory=0.01)
code = dry_run(config, Console(force_jupyter=False, width=72))
print(f"exit code {code}")

# %% [markdown]
# Change first what changes no sample and costs little time: fewer answers in `--per-device-train-batch-size` and as many
# more `--gradient-accumulation-steps`, down to one group. Then `--gradient-checkpointing`, for a third more time. Then
# an adapter on a model in bfloat16, `--use-peft --dtype bfloat16`, which needs another learning rate
# ([LoRA and a GPU run](pages/lora_and_a_gpu_run.md)). A smaller `--max-completion-length` changes what is learned. What
# is still too large needs several cards ([GRAO on TRL](pages/grao_on_trl.md)). If a run is refused and the estimate is
# wrong, `--device-memory` starts it all the same.

# %%
peaks = [need.peak for need in needs.values()]
assert peaks == sorted(peaks, reverse=True)
assert peaks[0] > 3 * peaks[1] > 3 * peaks[2] > 9 * peaks[3]
found = needs["all at once"].phases["update"]
assert found[OTHER] > 0.8 * peaks[0]
state = 16 * needs["and checkpointing"].parameters
assert 0.9 * state < peaks[2] < 1.35 * state
assert code == 2  # the embedded model needs more than 10 MB

# %% [markdown]
# ## What does the chat template write, and what is trained?
#
# **What you see.** A model that answers well elsewhere answers strangely here, or never stops. Or an error: the
# tokenizer has no chat template.
#
# A chat model's *template* writes a conversation as one text, with special tokens around each message. Here is a small
# tokenizer of bytes with three templates. The first knows no thoughts. The second writes an empty `<think>` block before
# an answer, as models with a switch for thinking do. The third opens the thoughts before the model answers.

# %%
letters = sorted(pre_tokenizers.ByteLevel.alphabet())
inner = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
inner.decoder = decoders.ByteLevel()
marks = ("<eos>", "<begin>", "<stop>")
inner.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=inner, eos_token="<eos>", pad_token="<eos>"
)
chat = (
    "{% for m in messages %}<begin>{{ m.role }}\n{{ m.content }}<stop>\n{% endfor %}"
    "{% if add_generation_prompt %}<begin>assistant\n{% endif %}"
)
thinking = (
    "{% for m in messages %}<begin>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<stop>\n{% endfor %}"
    "{% if add_generation_prompt %}<begin>assistant\n"
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
opens = chat.replace("<begin>assistant\n", "<begin>assistant\n<think>\n")

# %% [markdown]
# For each case: the prompt as the model gets it, what is trained behind it, and the text of a sample with these tokens.
# Or the error that refuses it.


# %%
def run_template(template, prompt, answer="4", **options):
    """The prompt, what is trained behind it, and the answer's text; or why it is refused."""
    tokenizer.chat_template = template
    encoder = Encoder(tokenizer, **options)
    try:
        opened = encoder.opened([prompt])
        (ids,) = encoder.answer_ids(opened, [answer])
    except ValueError as error:
        return (str(error),)
    return opened.texts[0], tokenizer.decode(ids), encoder.text(ids, prompt)


ask = [{"role": "user", "content": "2 + 2?"}]
off = {"enable_thinking": False}
written = {
    "chat": run_template(chat, ask),
    "a system prompt": run_template(chat, ask, system="Be brief."),
    "thinking": run_template(thinking, ask),
    "thinking switched off": run_template(thinking, ask, options=off),
    "thoughts are opened": run_template(opens, ask),
    "and the reference has them": run_template(opens, ask, "<think>\nSum.</think>4"),
    "a base model, messages": run_template(None, ask),
    "a base model, text": run_template(None, "2 + 2 =", " 4"),
}
for name, (before, *rest) in written.items():
    print(f"{name}\n  {repr(before) if rest else before}")
    for label, text in zip(("trained:", "text:"), rest, strict=False):
        print(f"    {label:9}{text!r}")

# %% [markdown]
# **Why.** The template is the one that came with the tokenizer, or that of `--chat-template-path`. The first line of each
# case is the prompt, up to where sampling begins; a refused case has its error there. A reference is trained as the
# template writes it behind that place: its tokens and the token that ends the turn, and no token of the prompt. So the
# model learns to stop. An answer that is truncated has no end token. A reward sees a sample's text, without what the
# template writes around it, and references as the data have them.
#
# In a batch the prompts are apart, and a mask says which tokens of the answers are real. Padding is masked. Here are two
# references of the sorting task:

# %%
rows = task.rows(range(2))
answers = rows.references
for ids, mask in zip(answers.ids, answers.mask, strict=True):
    print(f"{ids[mask].tolist()}, of which {END} is the end")

# %% [markdown]
# **What to do.** Read `completions/` after one step, before a long run. Then, for each case:
#
# - **A base model without a template.** Give it prompts that are text: no template is used, and an answer ends with the
#   tokenizer's end-of-sequence token. Messages are refused until `--chat-template-path` names a file or a model that has
#   a template; the template is saved with the trained model. Text is given to a chat model without a template too.
# - **A system prompt.** `--system-prompt` adds one to conversations that have none. It is refused where prompts are
#   text, and where the template refuses it.
# - **Thoughts.** An empty block that the template writes before a reference is trained with it. With
#   `--chat-template-kwargs '{"enable_thinking": false}'` the block is part of the prompt, for samples too. Where the
#   template opens the thoughts, references have to begin with thoughts; a method that needs no reference, with prompts
#   alone, is not refused. Thoughts are tokens of the answer: `--max-completion-length` has to leave room for them.
# - **Tags that a reward looks for** may be special tokens of the tokenizer. Then they are cut out of samples before the
#   reward sees them, and a note at the start of the run says so. `--no-skip-special-tokens` leaves them in.
#
# [Train your own model](pages/train_your_own_model.md) has these flags in commands.

# %%
for name in ("chat", "a system prompt", "thinking switched off"):
    assert written[name][1:] == ("4<stop>", "4")
assert written["a system prompt"][0].startswith("<begin>system\nBe brief.<stop>\n")
assert written["thinking"][1:] == ("<think>\n\n</think>\n\n4<stop>", "4")
assert written["thinking switched off"][0].endswith("<think>\n\n</think>\n\n")
assert "before an answer is generated" in written["thoughts are opened"][0]
assert written["and the reference has them"][1:] == (
    "Sum.</think>4<stop>",
    "Sum.</think>4",
)
assert "has no chat template" in written["a base model, messages"][0]
assert written["a base model, text"] == ("2 + 2 =", " 4<eos>", " 4")
text_only = run_template(None, "2 + 2 =", system="Be brief.")
assert "this prompt is text" in text_only[0]
inner.add_special_tokens([AddedToken("<think>", special=True)])
tagged = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>")
for skipped in (True, False):
    encoder = Encoder(tagged, skip_special_tokens=skipped)
    (ids,) = encoder.answer_ids(["2 + 2 ="], ["<think>4"])
    assert encoder.text(ids) == ("4" if skipped else "<think>4")
    assert bool(remarks(encoder, ["<think>4"])) == skipped
assert (answers.ids[:, -1] == END).all()
assert (answers.mask.sum(dim=-1) == 6).all()  # five digits and the end

# %% [markdown]
# ## My reward rises, and my answers get worse
#
# **What you see.** The reward that you train on rises. You read the answers, and they are worse. Here the best answer
# earns 1, and one failing answer is graded 1.2 by mistake:

# %%
PROXY = torch.tensor([1.0, 0.7, 1.2, *[0.0] * 7], dtype=torch.float64)
start = torch.full((300, 10), 0.1, dtype=torch.float64).log()
mistaken, policy = Bandit(PROXY, 1, 300), TabularPolicy(start)
print("step  what is trained on  true reward")
both = []
for report in train(mistaken, policy, settings(method="grpo", max_steps=100)):
    pi = policy.theta.detach().softmax(-1)
    both.append(((pi @ PROXY).mean().item(), (pi @ REWARDS).mean().item()))
    if report.step in (1, 20, 100):
        print(f"{report.step:4}  {both[-1][0]:18.2f}  {both[-1][1]:11.2f}")

# %% [markdown]
# **Why.** Training finds whatever the reward function pays for, also its mistakes. This is *reward hacking*.
#
# **What to do.** Read samples (`completions/` in the run's folder), and compare with a second measure that is not
# trained on. Tutorial 11 does both for a real model, and [Write a reward, and attack it](pages/writing_a_reward.md)
# looks for the mistakes before the policy does. A KL penalty limits the damage, and does not correct the reward.

# %%
assert both[-1][0] > both[0][0] + 0.5
assert both[-1][1] < max(true for _, true in both) - 0.05
