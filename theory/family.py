"""The weight that each method gives the log-likelihoods of a group and its reference: by autograd, and in formulas."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp

import torch
from torch import Tensor

from grao_ref import grao_objective, grao_objective_while_ahead, group_advantages, likelihood_weights
from grao_ref.equations.dpo import dpo_objective
from grao_ref.equations.grao import likelihood_weights_while_ahead
from grao_ref.equations.grpo import grpo_advantages, grpo_objective
from grao_ref.equations.ppo import ppo_objective
from grao_ref.equations.sft import sft_objective

BETA, LAM, GAMMA, MU, KL = 0.5, 0.6, 0.1, 0.3, 0.1  # γ: LUFFY's; μ: an example of CHORD's; KL: DPO's
CLIP = 0.2  # ε of the ratio, as GRPO's default
Pair = tuple[Tensor, Tensor]  # of the samples (G,), and of the reference ()


@dataclass(frozen=True)
class Group:
    """One group, all answers of one token: rewards (G,), R(y), log π of the samples (G,) and of y, V of the critic."""

    rewards: Tensor
    reference: Tensor
    old: Tensor
    loglik: Tensor
    value: float
    entropy: float = 1.0  # of the policy, nats: what SRFT weighs by

    def pooled(self) -> Pair:
        """eq-4 with the reference in the pool."""
        return group_advantages(self.rewards, self.reference)

    def outputs(self) -> Pair:
        """eq-4 over the samples alone."""
        return group_advantages(self.rewards, self.reference, pool="outputs")


def group(rewards: list[float], reference: float, pi_y: float) -> Group:
    """Samples of probability 0.1 each; the critic is right on average."""
    table = torch.tensor(rewards, dtype=torch.float64)
    old = torch.full_like(table, 0.1).log()
    return Group(table, torch.tensor(reference).double(), old, torch.tensor(pi_y).double().log(), float(table.mean()))


def _tokens(each: Tensor) -> tuple[Tensor, Tensor]:
    return each[..., None], torch.ones((*each.shape, 1), dtype=torch.bool)


def _grpo(g: Group, J_o: Tensor, advantages: Tensor) -> Tensor:
    logprobs, mask = _tokens(J_o)
    return grpo_objective(logprobs, g.old[:, None], advantages, mask).mean()


def _ppo(g: Group, J_o: Tensor) -> Tensor:
    logprobs, mask = _tokens(J_o)
    return ppo_objective(logprobs, g.old[:, None], (g.rewards - g.value)[:, None], mask).mean()


def _dpo(g: Group, J_o: Tensor, J_y: Tensor) -> Tensor:
    worst = int(g.rewards.argmin())
    return dpo_objective(J_y, J_o[worst], g.loglik, g.old[worst], kl_coef=KL)


def _shaped(J_y: Tensor) -> Tensor:
    ratio = J_y.exp()  # the trace's own probability is taken to be 1
    return ratio / (ratio + GAMMA)


def _luffy(g: Group, J_o: Tensor, J_y: Tensor) -> Tensor:
    A_o, A_y = g.pooled()
    size = len(J_o)
    return (size * _grpo(g, J_o, A_o) + _shaped(J_y) * A_y) / (size + 1)


def _srft(g: Group, J_o: Tensor, J_y: Tensor) -> Tensor:
    """Three terms: SFT on the reference, its clipped ratio to a behaviour of probability 1, and ±1 for the samples."""
    logprobs, mask = _tokens(J_y[None])
    trace = grpo_objective(
        logprobs, torch.zeros_like(logprobs), g.pooled()[1][None], mask, epsilon_low=CLIP, epsilon_high=CLIP
    ).sum()
    return 0.5 * exp(-g.entropy) * _sft(J_y) + trace + (_rights_and_wrongs(g) * J_o).mean()


def _rights_and_wrongs(g: Group) -> Tensor:
    """0.1 e^H on a sample that is right (reward 1), −1 on one that isn't."""
    return (g.rewards >= 1).to(g.rewards) * (0.1 * exp(g.entropy) + 1) - 1


def _within(A_y: Tensor, p: Tensor) -> Tensor:
    """Whether the clip lets the reference's gradient through: its ratio is p, so only a loss of p < 1 − ε is cut."""
    return ((A_y > 0) | (p > 1 - CLIP)).double()


def _phi(J_y: Tensor) -> Tensor:
    return (J_y.exp() * (1 - J_y.exp())).detach()


def _lone(g: Group) -> Tensor:
    """−κ/2 on the rejected answer: the group's worst."""
    return -KL / 2 * torch.nn.functional.one_hot(g.rewards.argmin(), len(g.rewards)).double() + 0.0


def _sft(J_y: Tensor) -> Tensor:
    return sft_objective(*_tokens(J_y))


def _grao(g: Group, J_o: Tensor, J_y: Tensor, pool: str) -> Tensor:
    advantages = group_advantages(g.rewards, g.reference, pool=pool)
    return grao_objective(J_o, J_y, *advantages, beta=BETA, lam=LAM).total


def _zero(g: Group) -> Tensor:
    return torch.zeros_like(g.reference)


OBJECTIVES: dict[str, Callable[[Group, Tensor, Tensor], Tensor]] = {
    "SFT": lambda g, J_o, J_y: _sft(J_y),
    "REINFORCE": lambda g, J_o, J_y: (g.rewards * J_o).mean(),
    "PPO": lambda g, J_o, J_y: _ppo(g, J_o),
    "GRPO": lambda g, J_o, J_y: _grpo(g, J_o, grpo_advantages(g.rewards)),
    "DPO": _dpo,
    "GRAO printed": lambda g, J_o, J_y: _grao(g, J_o, J_y, "with_reference"),
    "GRAO outputs": lambda g, J_o, J_y: _grao(g, J_o, J_y, "outputs"),
    "GRAO repaired": lambda g, J_o, J_y: grao_objective_while_ahead(J_o, J_y, *g.pooled(), beta=BETA, lam=LAM).total,
    "LUFFY": _luffy,
    "SRFT": _srft,
    "CHORD-μ": lambda g, J_o, J_y: (1 - MU) * _grpo(g, J_o, grpo_advantages(g.rewards)) + MU * _sft(J_y),
    "CHORD-φ": lambda g, J_o, J_y: (1 - MU) * _grpo(g, J_o, grpo_advantages(g.rewards)) + MU * _phi(J_y) * _sft(J_y),
}


def closed_form(name: str, g: Group) -> Pair:
    """(w_1 … w_G, w_y) in formulas, at the policy that sampled."""
    size, nothing = len(g.rewards), torch.zeros_like(g.rewards)
    p = g.loglik.exp()
    grpo = grpo_advantages(g.rewards) / size
    forms: dict[str, Callable[[], Pair]] = {
        "SFT": lambda: (nothing, _zero(g) + 1),
        "REINFORCE": lambda: (g.rewards / size, _zero(g)),
        "PPO": lambda: ((g.rewards - g.value) / size, _zero(g)),
        "GRPO": lambda: (grpo, _zero(g)),
        "DPO": lambda: (_lone(g), _zero(g) + KL / 2),
        "GRAO printed": lambda: likelihood_weights(*g.pooled(), beta=BETA, lam=LAM),
        "GRAO outputs": lambda: likelihood_weights(*g.outputs(), beta=BETA, lam=LAM),
        "GRAO repaired": lambda: likelihood_weights_while_ahead(*g.pooled(), beta=BETA, lam=LAM),
        "LUFFY": lambda: (g.pooled()[0] / (size + 1), g.pooled()[1] * GAMMA * p / (p + GAMMA) ** 2 / (size + 1)),
        "SRFT": lambda: (
            _rights_and_wrongs(g) / size,
            0.5 * exp(-g.entropy) + _within(g.pooled()[1], p) * g.pooled()[1] * p,
        ),
        "CHORD-μ": lambda: ((1 - MU) * grpo, _zero(g) + MU),
        "CHORD-φ": lambda: ((1 - MU) * grpo, MU * p * (1 - p)),
    }
    return forms[name]()


def by_autograd(name: str, g: Group, moved: float = 0.0) -> Pair:
    """The objective's gradient in (log π(o_1) … log π(o_G), log π(y)). `moved`: log-ratio to what sampled."""
    J_o, J_y = (g.old + moved).requires_grad_(), g.loglik.clone().requires_grad_()
    objective = OBJECTIVES[name](g, J_o, J_y)
    w_o, w_y = torch.autograd.grad(objective, (J_o, J_y), allow_unused=True, materialize_grads=True)
    return w_o, w_y
