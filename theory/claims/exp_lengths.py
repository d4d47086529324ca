"""exp-lengths: 1/|o| and 1/|y| when lengths differ."""

import numpy as np
import torch
from torch import Tensor

from grao_ref import mean_log_likelihood
from theory.figures import figure
from theory.ledger import Check, Finding, Run, claim
from theory.variable_lengths import Lengths


def table(p: float, longest: int = 6) -> tuple[Lengths, Tensor]:
    """GRPO on answers of 1 … L tokens, right with probability p; to go on is as likely as to end."""
    theta = torch.zeros(1 + 2 * (longest - 1), dtype=torch.float64)
    theta[0] = float(np.log(p / (1 - p)))
    return Lengths(longest), theta


def by_package(p: float, off: float = 0.0) -> float:
    """Largest |F by the package's mean_log_likelihood − F here|; `off` is added to every length: a violation."""
    lengths, theta = table(p)
    leaf = theta.clone().requires_grad_()
    total = lengths.loglik(leaf)
    # an answer's tokens, its likelihood spread evenly over them: only the mean is compared
    longest = lengths.longest
    count = torch.tensor(lengths.lengths)[:, None]
    mask = torch.arange(longest) < count
    tokens = (total[:, None] / count).expand(-1, longest)
    mean = mean_log_likelihood(tokens, mask) * (count[:, 0] / (count[:, 0] + off))
    weights = torch.tensor(lengths.weights(theta)[0])
    (update,) = torch.autograd.grad((weights * mean).sum(), leaf)
    return float((update - lengths.update(theta, True)).abs().max())


def reference_share(length: int, by_length: bool, longest: int = 32) -> float:
    """Norm of the reference's part of F, samples that all fail with one token each, y right and of this length."""
    lengths = Lengths(longest, length - 1, beta=0.5, lam=0.6, pool="with_reference")
    theta = torch.zeros(1 + 2 * (longest - 1), dtype=torch.float64)
    theta[0] = -5.0
    theta[longest:] = -20.0  # wrong answers end at once
    return float(lengths.update(theta, by_length, reference_alone=True).norm())


def exponent(by_length: bool) -> float:
    """Of the norm in |y|, over lengths 4, 8, 16, 31."""
    sizes = [4, 8, 16, 31]
    return float(np.polyfit(np.log(sizes), np.log([reference_share(size, by_length) for size in sizes]), 1)[0])


def followed(p: float, by_length: bool, steps: int, rate: float = 0.5) -> tuple[float, float, float]:
    """Change of the mean length of right and of wrong answers along exact ascent; p where that of all is largest."""
    lengths, theta = table(p)
    before, path = [float(lengths.mean_length(theta, first)) for first in (0, 1)], []
    for _ in range(steps):
        path.append((float(lengths.mean_length(theta)), float(theta[0].sigmoid())))
        theta = theta + rate * lengths.update(theta, by_length)
    right, wrong = (float(lengths.mean_length(theta, first)) - before[first] for first in (0, 1))
    return right, wrong, max(path)[1]


ALT = (
    "How a step changes the mean length, against the success rate: with the mean over tokens answers grow longer "
    "below one half and shorter above it; with a constant divisor nothing changes."
)


@claim(
    "exp-lengths",
    "1/|o| makes wrong answers longer and right ones shorter; 1/|y| makes a long reference weak.",
    topic="length and temperature",
    answer={
        "holds": "Yes: averaging over tokens makes wrong answers longer and right ones shorter, and gives a long "
        "reference less influence than a short one."
    },
)
def exp_lengths(run: Run) -> Finding:
    """Write f(r) = G E[w_1 | R_1 = r]. The samples' part of F is Σ_a π_a f(R_a)/|a| ∇log π(a): the policy gradient of
    the reward f(R)/|o|, f held fixed. Wrong answers have f < 0, so each additional token improves it; right ones have f
    > 0, and each additional token worsens it. With a constant divisor (Dr. GRPO) it is f(R): where the reward does not
    depend on the length, no state after the first token has a gradient. Table: the first token decides the reward, then
    each state goes on or ends, up to L = 6 tokens. GRPO has Σ π f = 0, p f_1 = −q f_0. A state after a right first
    token gets p f_1 times −g, one after a wrong one q f_0 times −g with the same g > 0, as E|o|'s gradient has p and q
    too: ⟨F, ∇E|o|⟩ = p f_1 (q − p) g·g' + the first token's part, 0 if both have the same mean length. So the mean
    length grows from equal lengths if most answers are wrong, p < 1/2, and shrinks if most are right. On the way right
    answers become the shorter ones, which shortens the mean as p rises: it turns before 1/2. From other lengths the
    first token's part may have either sign, with a constant divisor too. A reference of |y| tokens has w_y/|y| ∇log
    π(y), a sum of |y| terms of like size in states of its own, so its norm goes like √|y|/|y| = |y|^(−1/2) under the
    mean, and like |y|^(1/2) under a constant divisor, once the first token's part no longer counts: against short
    samples a long reference is weaker, the longer it is, though no token of it is worse. Exact, by autograd on the
    enumeration. One table, binary rewards.
    """
    steps = run.pick(40, 200, 1000)
    rates = {
        (p, mean): table(p)[0].rate_of(table(p)[1], mean) for p in (0.1, 0.3, 0.5, 0.7, 0.9) for mean in (True, False)
    }
    right, wrong, turns = followed(0.2, True, steps)
    still = max(abs(each) for each in followed(0.2, False, steps)[:2])
    slopes = {mean: exponent(mean) for mean in (True, False)}
    with figure(run, "exp-lengths") as axes:
        if axes is not None:
            grid = np.linspace(0.02, 0.98, 49)
            for mean, name in ((True, "mean over the answer's tokens"), (False, "constant divisor")):
                axes.plot(grid, [table(p)[0].rate_of(table(p)[1], mean) for p in grid], label=name)
            axes.set(xlabel="success rate p", ylabel="⟨F, ∇E|o|⟩")
    return Finding(
        f"Along exact ascent from p = 0.2, {steps} steps, wrong answers become {wrong:.2f} tokens longer and right "
        f"ones {-right:.2f} shorter; with a constant divisor neither changes. From equal lengths the mean "
        f"length grows below p = 1/2 and shrinks above; on this path it is largest at p = {turns:.2f}. The "
        f"reference's part of the step goes like |y|^{slopes[True]:.2f} under eq-3's mean and "
        f"|y|^{slopes[False]:.2f} with a constant divisor: eq-3 makes a long reference weak, Dr. GRPO's makes it "
        "strong.",
        holds=[
            Check(what="tokens by which wrong answers become longer, mean", measured=wrong, test=">", limit=0.05,
                  control="constant divisor", control_measured=still),
            Check(what="tokens by which right answers become shorter, mean", measured=-right, test=">", limit=0.05,
                  control="constant divisor", control_measured=still),
            Check(what="⟨F, ∇E|o|⟩ at p = 0.3, mean", measured=rates[0.3, True], test=">", limit=1e-6,
                  control="at p = 0.7", control_measured=rates[0.7, True]),
            Check(what="exponent of the reference's part in |y|, mean", measured=slopes[True], test="<", limit=-0.4,
                  control="constant divisor", control_measured=slopes[False]),
            Check(what="largest |F − F with the package's mean|", measured=by_package(0.3), test="<", limit=1e-12,
                  control="a length counted one too long", control_measured=by_package(0.3, 1.0)),
        ],
        numbers={f"⟨F, ∇E|o|⟩, p = {p:g}, {'mean' if mean else 'constant divisor'}": value
                 for (p, mean), value in rates.items()},
        figures={"exp-lengths": ALT},
    )  # fmt: skip
