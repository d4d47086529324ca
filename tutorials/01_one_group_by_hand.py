# %% [markdown]
# # One group by hand
#
# Four answers to one question, and a reference: every number of GRAO's objective computed on paper, then the same
# numbers from the package.
#
# *GRAO* (Group Relative Alignment Optimization) trains a language model on its own answers and on one given answer, the
# reference. Its *objective* is the number that training makes larger.
#
# You need to know what a *language model* does (it gives every next token a probability) and what a *gradient* is.
# Labels in brackets name things that can be looked up. eq-3 is the paper's third equation, and thm-1 is a fact about it
# that this project proves; the page [From the paper to the code](pages/from_the_paper_to_the_code.md) lists both.

# %%
import torch

from grao_ref import (
    grao_objective,
    group_advantages,
    likelihood_weights,
    mean_log_likelihood,
)
from tutorials import style

torch.set_default_dtype(torch.float64)  # so that all printed digits agree

# %% [markdown]
# ## The situation
#
# A *prompt* $q$ is a question. The model is called the *policy* $\pi$. It samples $G = 4$ answers $o_1 \dots o_4$: a
# *group*. A *reward* $R$ grades each of them between 0 and 1. There is also a *reference* $y$, an answer that a human
# wrote, graded by the same $R$.
#
# | answer | $o_1$ | $o_2$ | $o_3$ | $o_4$ | $y$ |
# | --- | --- | --- | --- | --- | --- |
# | reward | 0.6 | 0.4 | 0.2 | 0.5 | 0.8 |
#
# Which of these answers should become likelier, and by how much? The objective answers this question.

# %%
rewards = torch.tensor([0.6, 0.4, 0.2, 0.5])
reference_reward = torch.tensor(0.8)

# %% [markdown]
# ## Better than what? The advantage (eq-4)
#
# A reward of 0.5 is good or bad only in comparison with others. So the rewards are *standardised*: subtract the mean
# $\mu$, divide by the standard deviation $\sigma$. The rewards that $\mu$ and $\sigma$ are computed from are called the
# *pool*. Our pool is the group together with the reference. The result is the *advantage* $\hat A$.
#
# $$ \hat A_i = \frac{R_i - \mu}{\sigma} $$
#
# On paper, over all five rewards:
#
# - mean: (0.6 + 0.4 + 0.2 + 0.5 + 0.8) / 5 = 0.5
# - distances from it: 0.1, −0.1, −0.3, 0 and 0.3
# - their squares: 0.01, 0.01, 0.09, 0 and 0.09, with mean 0.04, so $\sigma$ = 0.2
# - advantages: 0.5, −0.5, −1.5 and 0, and $\hat A_y$ = 1.5 for the reference

# %%
advantages, reference_advantage = group_advantages(rewards, reference_reward)
print("samples  ", advantages.numpy().round(3))
print("reference", reference_advantage.numpy().round(3))

# %% [markdown]
# > **A choice the paper leaves open.** One can also compute $\mu$ and $\sigma$ from the samples only, and standardise
# > the reference's reward with them. The package calls the two pools `"with_reference"` and `"outputs"`. The choice
# > matters: tutorials 5 and 6 show where.

# %%
alone, reference_outside = group_advantages(rewards, reference_reward, pool="outputs")
print("samples  ", alone.numpy().round(2))
print("reference", reference_outside.numpy().round(2))

# %% [markdown]
# ## How likely? The mean log-likelihood (eq-1)
#
# An answer $o$ is a sequence of tokens. The policy gives each token $o_t$ a probability, given the prompt and the
# tokens before it. The *mean log-likelihood* of the answer is
#
# $$ J(o) = \frac{1}{|o|} \sum_t \log \pi(o_t) $$
#
# Why the logarithm, and not the probability itself? Tutorial 2 derives it. For now: the probability of a whole answer is
# the product of its tokens' probabilities, and the logarithm turns the product into a sum.
#
# Say $o_1$ has three tokens of probability 0.5, 0.25 and 0.4: (log 0.5 + log 0.25 + log 0.4) / 3 = −0.9986. (The
# logarithm is the natural one; its unit is the *nat*.)
#
# In a batch, shorter answers are padded, and a *mask* marks the real tokens. Only they count, in the sum and in the
# length $|o|$. Padding must never change the result, even if its logarithm is infinite.

# %%
token_logprobs = torch.tensor([0.5, 0.25, 0.4, 1.0]).log()
token_logprobs[3] = -torch.inf  # padding
mask = torch.tensor([True, True, True, False])
print(f"{mean_log_likelihood(token_logprobs, mask).item():.4f}")

# %% [markdown]
# To keep the arithmetic short, we now choose the five mean log-likelihoods: $-1$, $-2$, $-1.5$, $-0.5$ for the samples,
# and $-3$ for the reference, which the policy is unlikely to write.

# %%
J = torch.tensor([-1.0, -2.0, -1.5, -0.5], requires_grad=True)
J_y = torch.tensor(-3.0, requires_grad=True)
beta, lam = 0.5, 0.6  # the paper's β and λ

# %% [markdown]
# ## Three terms (eq-3)
#
# The objective is *exploration* + β · *imitation* + λ · *alignment*, where the *coefficients* β and λ are the weights
# of the second and the third term.
#
# - Exploration prefers the policy's own better answers:
#
# $$ \frac1G \sum_i \hat A_i J(o_i) $$
#
# - Imitation makes the reference likelier if its reward is above the mean, and less likely if it is below:
#
# $$ \hat A_y J(y) $$
#
# - Alignment compares each sample with the reference:
#
# $$ \frac1G \sum_i \hat A_i \left(J(o_i) - J(y)\right) $$
#
# On paper:
#
# - exploration: $\sum_i \hat A_i J(o_i)$ is 0.5·(−1) + (−0.5)·(−2) + (−1.5)·(−1.5) + 0 = 2.75; divided by 4, 0.6875
# - imitation: 1.5 · (−3) = −4.5
# - alignment: $\sum_i \hat A_i$ is −1.5, so (2.75 − (−1.5)·(−3)) / 4 = −0.4375
# - together: 0.6875 + 0.5·(−4.5) + 0.6·(−0.4375) = −1.825

# %%
terms = grao_objective(J, J_y, advantages, reference_advantage, beta=beta, lam=lam)
for name in ("exploration", "imitation", "alignment", "total"):
    print(f"{name:12} {getattr(terms, name).item():8.4f}")

# %% [markdown]
# The total, $-1.825$, is to be **maximised**. Its value is not a reward, and does not measure quality; only its
# gradient matters: how much does the objective gain from one more unit of each log-likelihood? The advantages are
# constants here, because the reward of a given answer does not depend on the policy.

# %%
terms.total.backward()
print("samples  ", J.grad.numpy().round(3))
print("reference", J_y.grad.numpy().round(3))

# %% [markdown]
# These are the *weights* that the objective puts on the five answers. They are the factors of each $J$, collected from
# the three terms (thm-1, tutorial 6). A sample has the weight $(1 + \lambda) \hat A_i / G$, here 1.6 / 4 = 0.4 times its
# advantage. With the reference in the pool all advantages add up to 0. So the reference has the weight
# $(\beta + \lambda / G) \hat A_y$, here 0.65 · 1.5 = 0.975.

# %%
weights, reference_weight = likelihood_weights(
    advantages, reference_advantage, beta=beta, lam=lam
)
print("samples  ", weights.numpy().round(3))
print("reference", reference_weight.numpy().round(3))

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=2.9)
labels = ["o₁\nR = 0.6", "o₂\n0.4", "o₃\n0.2", "o₄\n0.5", "y\n0.8"]
axes.bar(
    labels,
    [*weights.tolist(), reference_weight.item()],
    color=[style.BLUE] * 4 + [style.GREEN],
)
axes.axhline(0, color=style.GREY, linewidth=0.8)
axes.set(ylabel="weight on its log-likelihood", xlabel="answer, with its reward")
style.show(
    drawn,
    "The weights: the reference is pushed up, the worst sample down, and the average sample has weight 0.",
    alt="Bars of the five weights: 0.2, −0.2, −0.6, 0 and 0.975 for the reference.",
)

# %% [markdown]
# ## One step
#
# A weight pushes one log-likelihood. But probabilities add up to 1, so pushing one moves all of them. Take the smallest
# possible policy, a *table*: one number (a *logit*) for each of six possible answers, the five above and one that was
# not sampled. Softmax turns the logits into probabilities, and $J(o)$ is simply $\log \pi(o)$. All answers are equally
# likely, except the reference, which is rarer. We take one step of size 1 along the gradient. We also compute the
# *expected reward*: the sum of each answer's reward times its probability. The unsampled answer earns 0.

# %%
logits = torch.tensor([0.0, 0.0, 0.0, 0.0, -1.0, 0.0], requires_grad=True)
before = logits.softmax(-1).detach()
logprobs = logits.log_softmax(-1)
grao_objective(
    logprobs[:4], logprobs[4], advantages, reference_advantage, beta=beta, lam=lam
).total.backward()
after = (logits + 1.0 * logits.grad).softmax(-1).detach()

graded = torch.cat([rewards, reference_reward[None], torch.zeros(1)])
expected = [(each @ graded).item() for each in (before, after)]
print("expected reward {:.3f}, then {:.3f}".format(*expected))

# %% tags=["picture"]
drawn, (axes,) = style.figure(height=2.9)
names = ["o₁", "o₂", "o₃", "o₄", "y", "unsampled"]
places = torch.arange(6)
axes.bar(places - 0.2, 100 * before, width=0.4, color=style.SKY, label="before")
axes.bar(places + 0.2, 100 * after, width=0.4, color=style.BLUE, label="after one step")
axes.set_xticks(places.tolist(), names)
axes.set(ylabel="probability, %", xlabel="answer")
axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
style.show(
    drawn,
    "One step of size 1 on a table of six answers. The reference gains most. The average sample, whose weight is 0, and "
    "the unsampled answer lose a little, because probabilities add up to 1.",
    alt="Pairs of bars before and after one step for six answers.",
)

# %% [markdown]
# ## What was claimed
#
# Each tutorial ends with assertions of what its text claims.

# %%
by_hand = torch.tensor([0.5, -0.5, -1.5, 0.0, 1.5])
assert torch.allclose(torch.cat([advantages, reference_advantage[None]]), by_hand)
three_tokens = torch.tensor([0.5, 0.25, 0.4]).log()
assert torch.isclose(mean_log_likelihood(token_logprobs, mask), three_tokens.mean())
assert abs(three_tokens.mean() + 0.9986) < 5e-5
assert torch.allclose(torch.stack(terms), torch.tensor([0.6875, -4.5, -0.4375, -1.825]))
assert torch.allclose(J.grad, weights)
assert torch.allclose(weights, 0.4 * advantages)
assert torch.isclose(J_y.grad, reference_weight)
assert torch.isclose(reference_weight, torch.tensor(0.975))
assert (after - before).argmax() == 4  # the reference gains most
assert torch.all(after[[3, 5]] < before[[3, 5]])  # of weight 0, and unsampled
assert torch.all(after[[3, 5]] > before[[3, 5]] - 0.02)  # a little
assert expected[0] < expected[1]

# %% [markdown]
# ## Exercises
#
# Run `make exercise 1`: it makes the file `my_answers/exercise_1.py`. Write three functions there, in plain Python,
# and run the command again to check them:
#
# 1. `advantages`: eq-4 with the reference in the pool. What should it return if all five rewards are the same?
# 2. `mean_log_likelihood`: eq-1 from probabilities and a mask.
# 3. `objective`: the three terms of eq-3, and their sum under β and λ.
#
# Ours are in `tutorials/solutions/solution_1.py`.
