"""exp-race-tokens as it is judged: each contestant at its tuned rate on trees and on their twins, and what is read off.

What is read, and with which controls, was decided before (`theory.token_race`).
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from grao_ref import group_advantages, mean_log_likelihood
from grao_ref.equations.grao import likelihood_weights_while_ahead
from theory.contest import CONTESTANTS
from theory.forest import Forest, Table, flattened, planted, policy_of
from theory.groups import Array
from theory.judged import BEATABLE, Mask, ratio_of, resampled, summary_of, with_ends
from theory.tables import KINDS, RARE
from theory.token_race import RATES, STEPS, Rows, arrivals, drawn_group, gradient, seen_of
from theory.token_rules import BETA, LAM, RULES
from theory.token_tables import JUDGING_SEED, drawn, misled
from theory.token_tuned import entry_of

TREES, TWINS = "trees", "twins"
OTHER_SEEDS = ", other seeds"
LINKS = (  # the first has the smaller mean wait on one-token tables
    ("bar", "LUFFY", "adam"),
    ("LUFFY", "GRPO", "adam"),
    ("GRPO", "GRAO repaired", "adam"),
    ("GRAO repaired", "SRFT", "adam"),
    ("surprise", "GRPO", "sgd"),
)
FEW = 8  # answers that fail: the most that `theory.tables` has
PLACES = (*KINDS, "rare", "shared", "apart", "few", "many", "all")
Key = tuple[str, str, str]  # contestant, optimiser, trees or twins


@cache
def tables_of(size: str) -> list[Table]:
    """The tables that are judged on."""
    return drawn({"quick": 48, "default": 96, "full": 192}[size], JUDGING_SEED)


@cache
def forest_of(size: str, arm: str) -> Forest:
    """Their trees, or their twins of one token."""
    return planted([flattened(each) if arm == TWINS else each for each in tables_of(size)])


def pairs_of(size: str) -> list[tuple[str, str]]:
    """Contestants and optimisers that are run: all, or those of the links."""
    linked = [(name, optimizer) for *names, optimizer in LINKS for name in names]
    return list(dict.fromkeys(linked)) if size == "quick" else [(n, o) for o in RATES for n in CONTESTANTS]


@cache
def waits_of(size: str) -> dict[Key, Array]:
    """When the runs of each arrive, (T, seeds); and those of the slower methods of the links with other seeds."""
    seeds = {"quick": 2, "default": 4, "full": 16}[size]
    found = {}
    for arm in (TREES, TWINS):
        for name, optimizer in pairs_of(size):
            entry = entry_of(name, optimizer, arm)
            found[name, optimizer, arm] = arrivals([entry], forest_of(size, arm), seeds, STEPS, 1)[0]
    for _, name, optimizer in LINKS:
        entry = entry_of(name, optimizer, TREES)
        found[name + OTHER_SEEDS, optimizer, TREES] = arrivals([entry], forest_of(size, TREES), seeds, STEPS, 2)[0]
    return found


def where(size: str, what: str) -> Mask:
    """True on the tables of a kind; on the rare ones; where y shares its first token with the best answer, or does not
    (both without those whose y is the best answer); where at most `FEW` answers fail, or more; or on all: (T,).
    """
    tests: dict[str, Callable[[Table], bool]] = {
        "rare": lambda each: each.shares[each.best] < RARE,
        "shared": lambda each: each.kind > 0 and each.shared > 0,
        "apart": lambda each: each.shared == 0,
        "few": lambda each: each.fails <= FEW,
        "many": lambda each: each.fails > FEW,
        "all": lambda each: True,
    } | {kind: partial(_of_kind, number) for number, kind in enumerate(KINDS)}
    return np.array([tests[what](each) for each in tables_of(size)], dtype=np.bool_)


def _of_kind(number: int, table: Table) -> bool:
    return table.kind == number


Ratio = tuple[float, float, float]


def ratio(size: str, name: str, over: str, optimizer: str, what: str = "all", arm: str = TREES) -> Ratio:
    """Mean wait over another's on some tables, and the ends of its interval."""
    one, other = (waits_of(size)[each, optimizer, arm][where(size, what)] for each in (name, over))
    return ratio_of(one, other, STEPS)


def changed(size: str, name: str, optimizer: str) -> Ratio:
    """What tokens change: mean wait over GRPO's on trees, over the same on their twins."""
    means = [np.minimum(waits_of(size)[each, optimizer, arm], STEPS + 1).mean(1)
             for arm in (TREES, TWINS) for each in (name, "GRPO")]  # fmt: skip
    rows = resampled(len(means[0]))
    (one, grpo, twin, twin_grpo), (ones, grpos, twins, twin_grpos) = (
        [each.mean() for each in means],
        [each[rows].mean(1) for each in means],
    )
    return with_ends(one / grpo / (twin / twin_grpo), ones / grpos / (twins / twin_grpos))


def sharing(size: str, name: str, optimizer: str) -> Ratio:
    """What a shared prefix changes: mean wait over GRPO's on trees where y shares one, over the same where it does not.

    The two sets of tables are resampled independently.
    """
    found, again = [], []
    for number, what in enumerate(("shared", "apart")):
        one, grpo = (np.minimum(waits_of(size)[each, optimizer, TREES][where(size, what)], STEPS + 1).mean(1)
                     for each in (name, "GRPO"))  # fmt: skip
        rows = np.random.default_rng(number).integers(len(one), size=(len(resampled(1)), len(one)))
        found.append(one.mean() / grpo.mean())
        again.append(one[rows].mean(1) / grpo[rows].mean(1))
    return with_ends(found[0] / found[1], again[0] / again[1])


def summary(size: str, name: str, optimizer: str, arm: str = TREES) -> tuple[float, ...]:
    """Mean wait; half of the runs have arrived at step, from, to; share that arrives, from, to."""
    return summary_of(waits_of(size)[name, optimizer, arm], STEPS)


def conditions(size: str, name: str) -> list[bool]:
    """Which of the four conditions of a recommendation (`theory.contest`) a method meets on the trees, under Adam."""
    shares = [np.isfinite(waits_of(size)[each, "adam", TREES]).mean(1) for each in (name, "GRPO")]
    lead = shares[0] - shares[1]
    return [
        max(ratio(size, name, "GRPO", "adam", kind)[2] for kind in BEATABLE) < 1.05,
        ratio(size, name, "GRPO", "adam", "rare")[2] < 2 / 3,
        with_ends(lead.mean(), lead[resampled(len(lead))].mean(1))[1] > -0.02,
        ratio(size, name, "GRAO repaired", "adam")[2] < 1,
    ]


@cache
def replaced(size: str) -> Ratio:
    """Repaired GRAO's mean wait over GRPO's on the tables whose y is the best answer, once y is a failing one."""
    rows = where(size, "best")
    tables = [misled(each) for each, there in zip(tables_of(size), rows, strict=True) if there]
    grpo = waits_of(size)["GRPO", "adam", TREES][rows]
    waits = arrivals([entry_of("GRAO repaired", "adam", TREES)], planted(tables), grpo.shape[1], STEPS, 1)[0]
    return ratio_of(waits, grpo, STEPS)


def by_equations(summed: bool = False) -> float:
    """Largest difference of repaired GRAO's update from the gradient of the package's equations by autograd, over some
    groups; `summed`: with an answer's tokens added up there, not averaged.
    """
    forest = planted(drawn(24, 0))
    table = np.repeat(np.arange(24), 8)
    rows = Rows(
        table, table, np.zeros(len(table)), forest.logits[table], np.zeros((len(table), forest.logits.shape[1] + 1))
    )
    policy = policy_of(rows.theta)
    group = drawn_group(np.random.default_rng(0), rows, policy, forest, 7)
    seen, _ = seen_of(rows, policy, forest, group)
    found = gradient(policy, group[0], forest.reference[table], RULES["GRAO repaired"](seen))
    theta = torch.tensor(rows.theta).requires_grad_()
    flat = torch.cat([theta.log_softmax(-1).flatten(1), torch.zeros(len(theta), 1)], 1)

    def mean(entries: Tensor) -> Tensor:
        mask = entries < forest.none
        log_pi = flat.gather(1, entries.flatten(1)).view(entries.shape)
        return mean_log_likelihood(log_pi, mask) * (mask.sum(-1) if summed else 1)

    A_o, A_y = group_advantages(torch.tensor(seen.rewards), torch.tensor(seen.score))
    w_o, w_y = likelihood_weights_while_ahead(A_o, A_y, beta=BETA, lam=LAM)
    J = (w_o * mean(torch.tensor(group[0]))).sum() + (w_y * mean(torch.tensor(forest.reference[table]))).sum()
    (expected,) = torch.autograd.grad(J, theta)
    return float(np.abs(found - expected.numpy()).max())
