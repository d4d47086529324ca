# %% [markdown]
# # Why reward times log-probability
#
# Where the logarithm in the objective comes from, why a mean is subtracted from the rewards, and what is lost when one
# divides by the standard deviation: every step is checked exactly, on a table of six answers.
#
# You need tutorial 1: policy, group, reward, the table with its logits, the expected reward. You also need the
# derivative of a logarithm. No knowledge of reinforcement learning is needed.

# %%
import torch

from grao_ref import group_advantages
from tutorials import style

torch.set_default_dtype(torch.float64)  # so that the checks are exact to 1e-12

# %% [markdown]
# ## The aim: a larger expected reward
#
# We take the table of tutorial 1 again: six answers $o$ to one prompt, with a logit each. Softmax turns the logits
# $\theta$ into probabilities $\pi(o)$. The *expected reward* is the sum of each answer's reward times its probability.
# It is also called the *value* $V$ of the policy:
#
# $$ V = \sum_o \pi(o) \, R(o) $$
#
# Training should make $V$ larger. So we want its gradient $\nabla V$ with respect to the logits. A table is small
# enough to add up the whole sum, and autograd gives the gradient.

# %%
rewards = torch.tensor([0.6, 0.4, 0.2, 0.5, 0.8, 0.0])
logits = torch.tensor([0.0, 0.0, 0.0, 0.0, -1.0, 0.0], requires_grad=True)
V = logits.softmax(-1) @ rewards
V.backward()
slope = logits.grad  # ∇V
print(f"V = {V.item():.3f}")
print("gradient of V", slope.numpy().round(4))

# %% [markdown]
# A language model has far too many answers for this sum. It can only *sample* some of them. We need a formula for
# $\nabla V$ that samples are enough for.
#
# ## Three lines of calculus
#
# The rewards do not depend on the logits; only the probabilities do:
#
# $$ \nabla V = \sum_o R(o) \, \nabla \pi(o) $$
#
# The derivative of a logarithm is $\nabla \log \pi = \nabla \pi / \pi$. So $\nabla \pi = \pi \, \nabla \log \pi$, and
#
# $$ \nabla V = \sum_o \pi(o) \; R(o) \, \nabla \log \pi(o) $$
#
# A sum over all answers, weighted by their probabilities, is a mean over answers that the policy samples. Such a mean
# is called an *expectation*, and is written $E[\cdot]$:
#
# $$ \nabla V = E\left[ R(o) \, \nabla \log \pi(o) \right] $$
#
# This is the *policy gradient*. It is the reason for the logarithm: the logarithm turns the gradient of a sum that we
# cannot compute into a mean that we can estimate. To estimate it, sample answers, multiply each answer's reward by the
# gradient of its log-probability, and take the mean.
#
# We check the formula by *enumeration*: we go through all six answers instead of sampling. Row $o$ of `scores` is
# $\nabla \log \pi(o)$ (in statistics, the *score*), by autograd.

# %%
scores = torch.autograd.functional.jacobian(
    lambda theta: theta.log_softmax(-1), logits.detach()
)
pi = logits.detach().softmax(-1)
enumerated = pi @ (rewards[:, None] * scores)
print("enumerated   ", enumerated.numpy().round(4))
print(f"largest difference {(enumerated - slope).abs().max().item():.0e}")

# %% [markdown]
# ## A constant may be subtracted
#
# The probabilities add up to 1, whatever the logits are. So the gradient of their sum is 0. With
# $\pi \, \nabla \log \pi = \nabla \pi$, as above,
#
# $$ E\left[\nabla \log \pi(o)\right] = \sum_o \nabla \pi(o) = \nabla 1 = 0 $$
#
# Therefore subtracting a constant $b$ from every reward changes nothing on average:
#
# $$ E\left[(R(o) - b) \, \nabla \log \pi(o)\right] = \nabla V - b \cdot 0 = \nabla V $$
#
# Such a constant is called a *baseline*. The condition is that $b$ is the same for every answer. As a control, we also
# subtract something that depends on the answer, the square of its own reward. The largest differences:

# %%
flat = pi @ scores
shifted = pi @ ((rewards - 10)[:, None] * scores)
control = pi @ ((rewards - rewards**2)[:, None] * scores)
for what, difference in (
    ("mean of the scores, and 0", flat),
    ("b = 10, and ∇V", shifted - slope),
    ("the own reward's square, ∇V", control - slope),
):
    print(f"{what:28}{difference.abs().max().item():.0e}")

# %% [markdown]
# > **Predict, then run.** Now *add* 10 to every reward. No answer has become better than another. What happens to the
# > mean of the vector $R(o) \, \nabla \log \pi(o)$, and what to its *variance*, the mean squared distance of one sample's
# > vector from that mean? Write your two answers into `prediction` of exercise 2 (below), before you read on.
#
# ## Why one subtracts it: the noise
#
# From few samples the estimate is *noisy*: each sample gives another vector. The baseline does not change the mean of
# these vectors, but it changes their variance. Again we enumerate all answers.


# %%
def run_noise(rewards, b):
    """The variance of (R − b) ∇log π for one sampled answer, exact."""
    vectors = (rewards - b)[:, None] * scores
    return (pi @ (vectors - pi @ vectors).square().sum(-1)).item()


noise = {
    "no baseline": run_noise(rewards, 0),
    "b = V": run_noise(rewards, V.item()),
    "b = 1": run_noise(rewards, 1),
    "rewards + 10": run_noise(rewards + 10, 0),
    "the same, b = V + 10": run_noise(rewards + 10, V.item() + 10),
}
for what, variance in noise.items():
    print(f"{what:22}{variance:8.4f}")

# %% tags=["picture"]
baselines = torch.linspace(-0.3, 1.1, 57)
curve = [run_noise(rewards, b) for b in baselines]
drawn, (axes,) = style.figure(height=3.0)
axes.plot(baselines, curve, color=style.BLUE)
for b, name, place in ((0.0, "no baseline", (8, 4)), (V.item(), "b = V", (-12, 10))):
    axes.plot(b, run_noise(rewards, b), "o", color=style.BLACK)
    axes.annotate(name, (b, run_noise(rewards, b)), place, textcoords="offset points")
axes.set(xlabel="baseline b", ylabel="variance of one sample", ylim=(0, 0.4))
style.show(
    drawn,
    "The variance of the estimate from one sampled answer, for every baseline. Its mean is the same everywhere. Exact; "
    "nothing is sampled.",
    alt="A parabola with its lowest point close to b = V, a quarter of its height at b = 0.",
)

# %% [markdown]
# What the figure shows: with $b = V$ the variance is a quarter of that without a baseline. A baseline that is too large
# is worse than none. The smallest variance is close to $b = V$ (exercise 2 asks where exactly). Adding 10 to every
# reward multiplies the variance by more than 500; a baseline that moves along removes this.
#
# The reason: without a baseline every sampled answer is pushed up, as all rewards are positive. Better answers are only
# pushed up a little more. The common push is 0 on average, but not in a few samples. With a baseline, answers better
# than average are pushed up and worse ones down.
#
# ## A group's mean as the baseline
#
# We do not know $V$. But the $G$ samples of a group estimate it: their mean reward $\mu$ is close to $V$. So use $\mu$
# as the baseline. There is a subtle point: a baseline must not depend on the answer, and $\mu$ contains the answer's
# own reward. Let $\mu_{-i}$ be the mean of the *other* $G - 1$ rewards. Then
#
# $$ R_i - \mu = \frac{G-1}{G} \left(R_i - \mu_{-i}\right) $$
#
# The other answers are sampled independently of $o_i$, so $\mu_{-i}$ is a proper baseline (it is called
# *leave-one-out*), and gives exactly $\nabla V$ on average. The group's own mean gives $\frac{G-1}{G} \nabla V$: the
# direction is the same, the step is a little shorter. We check this by going through all $6^4$ groups of four. An
# *estimate* is the mean of $w_i \nabla \log \pi(o_i)$ over a group, where $w_i$ is a reward minus a baseline.

# %%
G = 4
groups = torch.cartesian_prod(*[torch.arange(6)] * G)  # every group, (1296, 4)
likely = pi[groups].prod(-1)  # the probability of each
earned = rewards[groups]
mean = earned.mean(-1, keepdim=True)
others = (earned.sum(-1, keepdim=True) - earned) / (G - 1)


def run_groups(weights):
    """Mean and variance of the estimate, over all groups."""
    estimates = (weights[..., None] * scores[groups]).mean(1)
    expected = likely @ estimates
    return expected, (likely @ (estimates - expected).square().sum(-1)).item()


ESTIMATES = {
    "no baseline": earned,
    "group's mean": earned - mean,
    "leave one out": earned - others,
}
results = {name: run_groups(weights) for name, weights in ESTIMATES.items()}
print("               mean / gradient  variance")
for name, (expected, variance) in results.items():
    print(f"{name:15}{(expected / slope).mean().item():15.4f}{variance:10.4f}")

# %% [markdown]
# With $G = 4$ the group's mean gives exactly 3/4 of the gradient, in every component. (Its variance is $(3/4)^2$ of that
# of leave-one-out: relative to the length of the step, the noise is the same.) A factor that is the same for every
# prompt is only a shorter step, and the step size can make up for it. So group methods can use the simple mean.
#
# ## Dividing by σ: a different length for every group
#
# eq-4 also divides by the standard deviation $\sigma$ of the group. This factor is *not* the same for every group. Look
# at three groups of two:

# %%
pairs = torch.tensor([[0.6, 0.5], [0.8, 0.0], [1.0, 0.99]])
divided, _ = group_advantages(pairs, torch.zeros(3), pool="outputs")
print("  rewards    minus the mean    divided by σ too")
for pair, by_sigma in zip(pairs, divided, strict=True):
    centred = pair - pair.mean()
    columns = ("{:6.2f} {:6.2f}".format(*each) for each in (pair, centred, by_sigma))
    print("     ".join(columns))

# %% [markdown]
# (`pool="outputs"` takes μ and σ from the samples alone, as in tutorial 1. The zeros are references, which it ignores.) A
# gap of 0.01 counts as much as a gap of 0.8. The benefit: the unit of the rewards no longer matters, and a prompt whose
# rewards differ little still teaches something. The price: the mean of the estimate is no longer the gradient of $V$, nor
# a multiple of it.

# %%
by_sigma, _ = group_advantages(earned, torch.zeros(len(earned)), pool="outputs")
pushed, _ = run_groups(by_sigma)
print("mean / gradient", (pushed / slope).numpy().round(2))
cosine = torch.cosine_similarity(pushed, slope, dim=0).item()
print(f"cosine of the angle between them {cosine:.3f}")

# %% [markdown]
# The six ratios differ, so no step size can make up for it. On this table the directions still nearly agree (a cosine
# of 1 is the same direction). This is not always so. There are tables where the average step with σ points *away* from
# the gradient, so that a small step lowers $V$ (thm-6; tutorial 12 computes an example by hand). In practice both forms
# are used: with σ (eq-4) and without.
#
# ## Back to the objective of tutorial 1
#
# We have an estimate of the gradient: the mean of $w_i \nabla \log \pi(o_i)$. Autograd needs a *number* that has this
# gradient. It is the mean of $w_i \log \pi(o_i)$, with the weights $w_i$ held fixed:

# %%
theta = logits.detach().requires_grad_()
sampled = torch.tensor([0, 2, 4, 5])  # a group of four
weights = rewards[sampled] - rewards[sampled].mean()
objective = (weights * theta.log_softmax(-1)[sampled]).mean()
objective.backward()
by_formula = (weights[:, None] * scores[sampled]).mean(0)
print(f"objective {objective.item():.4f}, V {V.item():.4f}")
print("its gradient", theta.grad.numpy().round(4))
print("the estimate", by_formula.numpy().round(4))

# %% [markdown]
# So "reward times log-probability" is an objective whose *gradient* is right. Its *value* is not $V$, and does not
# measure quality, as tutorial 1 said.
#
# This is the form of eq-3: a weight on each answer's log-likelihood. What GRAO adds to the policy gradient:
#
# - The exploration term is the objective above, with eq-4's advantages as weights. Instead of the log-probability of
#   the whole answer, it has the *mean* over its tokens (eq-1). For answers of several tokens this is a different weight
#   for each length, so it is a choice, not part of the derivation.
# - The imitation term has the same form, but the reference was not sampled from the policy. So it estimates no part of
#   $\nabla V$. It makes a given answer likelier, with a weight.
# - The reference's reward may be among those that $\mu$ and $\sigma$ come from. Then the baseline is not the samples' own
#   mean, and their weights no longer add up to 0.
#
# The next tutorial writes all of it as a training loop.
#
# ## What was claimed

# %% tags=["claims"]
assert (enumerated - slope).abs().max() < 1e-12
assert flat.abs().max() < 1e-12
assert (shifted - slope).abs().max() < 1e-12
assert (control - slope).abs().max() > 0.01  # what depends on the answer does matter
assert 0.2 < noise["b = V"] / noise["no baseline"] < 0.3  # a quarter
assert noise["b = 1"] > noise["no baseline"]
assert noise["rewards + 10"] > 500 * noise["no baseline"]
assert abs(noise["the same, b = V + 10"] - noise["b = V"]) < 1e-12
assert abs(baselines[torch.tensor(curve).argmin()] - V) < 0.03
assert torch.isclose(likely.sum(), torch.tensor(1.0))  # these are all groups
for name, factor in (("no baseline", 1), ("group's mean", 3 / 4), ("leave one out", 1)):
    assert (results[name][0] - factor * slope).abs().max() < 1e-12
assert torch.allclose(earned - mean, (G - 1) / G * (earned - others))
of_mean, of_others = results["group's mean"][1], results["leave one out"][1]
assert abs(of_mean - (3 / 4) ** 2 * of_others) < 1e-12
assert of_others < results["no baseline"][1]
assert torch.allclose(divided, torch.tensor([1.0, -1.0]).expand(3, 2))
ratios = pushed / slope
assert ratios.max() > 2 * ratios.min()  # no multiple of the gradient
assert 0.9 < cosine < 0.999
assert torch.allclose(theta.grad, by_formula)
assert abs(objective.item() - V.item()) > 0.1  # its value is another

# %% [markdown]
# ## Exercises
#
# Run `make exercise 2`: it makes the file `my_answers/exercise_2.py`. Write your answers there, and run the command
# again to check them:
#
# 1. `prediction`: what adding 10 to every reward changes. Predict first, then read the section about the noise.
# 2. `best_baseline`: the baseline with the smallest variance. It is close to $V$, but it is not $V$. Derive it.
# 3. `group_objective`: a function with one planted bug, which real training code has had. Find it, and mend it.
#
# Ours are in `tutorials/solutions/solution_2.py`.
