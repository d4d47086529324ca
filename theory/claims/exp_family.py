"""exp-family: GRAO among its neighbours, as weights on the same group's log-likelihoods."""

import torch

from theory.family import LAM, OBJECTIVES, Group, by_autograd, closed_form, group
from theory.figures import figure
from theory.ledger import Check, Finding, Run, claim


def error(name: str, moved: float = 0.0, draws: int = 20) -> float:
    """Largest difference of the two, over random groups of 2 to 9."""
    rng, worst = torch.Generator().manual_seed(0), 0.0
    for size in range(2, 2 + draws):
        rewards = torch.rand(2 + size % 8, generator=rng).tolist()
        reference, pi_y = torch.rand(2, generator=rng).tolist()
        g = group(rewards, reference, pi_y)
        pairs = zip(closed_form(name, g), by_autograd(name, g, moved), strict=True)
        worst = max(worst, *(float((a - b).abs().max()) for a, b in pairs))
    return worst


def weight_of_loser(name: str, pi_y: float) -> float:
    """w_y where all 8 samples are right and the reference is not."""
    return float(closed_form(name, group([1.0] * 8, 0.0, pi_y))[1])


@claim(
    "exp-family",
    "Every method here is a weighting of the same log-likelihoods; GRAO differs in the reference's weight.",
    topic="the family and the race",
    answer={
        "holds": "Yes: each method here is a choice of weights on the same log-probabilities, and what only GRAO has "
        "is its weight of the reference."
    },
)
def exp_family(run: Run) -> Finding:
    """At the policy that sampled, each gradient is Σ w_i ∇log π(o_i) + w_y ∇log π(y). With p = π(y), and Â over the
    samples, or over both where it says so:

      SFT            0                     1             REINFORCE      R_i / G               0
      PPO, critic V  (R_i − V) / G         0             GRPO           Â_i / G (outputs)     0
      DPO, start     −κ/2 on the rejected  κ/2           GRAO printed   (1+λ) Â_i / G (both)  (β + λ/G) Â_y
      GRAO outputs   (1+λ) Â_i / G         β Â_y         GRAO repaired  (1+λ) Â_i / G (both)  (β + λ/G) max(Â_y, 0)
      LUFFY          Â_i / (G+1) (both)    Â_y γ p / (p+γ)² / (G+1)      (f(x) = x/(x+γ), f'(p) p; arXiv:2504.14945)
      CHORD-μ        (1−μ) Â_i / G         μ             CHORD-φ        (1−μ) Â_i / G         μ p (1−p)

      SRFT           0.1 e^H / G right, −1/G wrong      ½ e^−H + Â_y p, where Â_y > 0 or p > 1−ε (both)

    CHORD (arXiv:2508.11408) is (1−μ) GRPO + μ SFT, φ weighing each token. SRFT (arXiv:2506.19767) adds to SFT, which it
    weighs by the policy's entropy H, a clipped ratio for the reference, whose behaviour policy is taken to be certain.
    Settled by autograd through this package's functions (these neighbours' own terms are written here). The samples'
    weights are the neighbours' up to a factor. Only GRAO's, LUFFY's and SRFT's w_y can be negative, SRFT's only
    where p > 1−ε. LUFFY's is at most Â_y / 4 / (G+1), at p = γ, and dies with p; GRAO's as printed has the same size at
    any p (thm-4). The repair takes the negative half away. This row weighs the methods on one group. It trains none of
    the neighbours, and does not show which of them is faster or better.
    """
    errors = {name: error(name) for name in OBJECTIVES}
    example = group([1.0, 1.0, 0.5, 0.0], 0.5, 0.2)
    table = {name: closed_form(name, example) for name in OBJECTIVES}
    lost = {name: weight_of_loser(name, 1e-6) for name in OBJECTIVES}
    negative = [name for name, value in lost.items() if value < -1e-3]
    outputs = table["GRAO outputs"][0] / (1 + LAM) - table["GRPO"][0]
    pooled = table["GRAO printed"][0] / (1 + LAM) - table["GRPO"][0]
    _draw(run)
    return Finding(
        "The samples' weights are GRPO's times 1 + λ (`outputs`), or LUFFY's up to a factor (reference pooled). The "
        "reference's is GRAO's own: where it is the worst of its group and almost never sampled, "
        f"{' and '.join(negative)} alone pushes it down further (w_y = {lost['GRAO printed']:.2f}; LUFFY's "
        f"{lost['LUFFY']:.1g}, the others' 0 or more). Repaired, what is left is SFT weighted by how far the "
        "reference is ahead: a sign from rewards, which CHORD's schedule doesn't have (SRFT's weight falls below "
        "its SFT's only where p > 1 − ε), and no fading with p, which LUFFY's has: at p = 1e-6 and ahead of a dead "
        f"group its weight is {float(closed_form('GRAO repaired', _rescue())[1]):.2f}, LUFFY's "
        f"{float(closed_form('LUFFY', _rescue())[1]):.1g}.",
        holds=[
            Check(what="formula − autograd, largest of all methods and groups",
                  measured=max(errors.values()), test="<", limit=1e-12,
                  control="GRPO at ratio e^0.3, beyond the clip", control_measured=error("GRPO", 0.3)),
            Check(what="GRAO's samples' weights / (1 + λ) − GRPO's, `outputs`",
                  measured=float(outputs.abs().max()), test="<", limit=1e-12,
                  control="reference pooled", control_measured=float(pooled.abs().max())),
            Check(what="w_y of a reference behind all 8 samples, p = 1e-6, GRAO printed",
                  measured=lost["GRAO printed"], test="<", limit=-0.1,
                  control="LUFFY", control_measured=lost["LUFFY"]),
            Check(what="w_y of a reference ahead of 8 failures, p = 1e-6, GRAO repaired",
                  measured=float(closed_form("GRAO repaired", _rescue())[1]), test=">", limit=0.1,
                  control="LUFFY", control_measured=float(closed_form("LUFFY", _rescue())[1])),
        ],
        numbers={f"{name}: w_1 … w_4 of rewards 1, 1, 0.5, 0, and w_y of 0.5, p = 0.2":
                 (*(float(each) for each in w_o), float(w_y)) for name, (w_o, w_y) in table.items()},
        figures={"exp-family": ALT},
    )  # fmt: skip


def _rescue() -> Group:
    return group([0.0] * 8, 1.0, 1e-6)


ALT = (
    "Weight of the reference in seven methods, three panels: by how many of 8 samples beat it, where printed "
    "GRAO's becomes strongly negative, and by its probability, when all samples beat it and when it beats all."
)


def _draw(run: Run) -> None:
    """w_y by how many samples beat the reference, and by its probability where all do and where none does."""
    names = ("SFT", "DPO", "GRAO printed", "GRAO repaired", "LUFFY", "SRFT", "CHORD-φ")
    grid = torch.logspace(-4, -0.01, 60).tolist()
    with figure(run, "exp-family", columns=3) as axes:
        if axes is None:
            return
        for name in names:
            groups = [group([1.0] * wins + [0.0] * (8 - wins), 0.5, 0.2) for wins in range(9)]
            axes[0].plot([float(closed_form(name, g)[1]) for g in groups], marker=".", label=name)
            for each, reward in ((axes[1], 0.0), (axes[2], 1.0)):
                each.semilogx(grid, [float(closed_form(name, group([1 - reward] * 8, reward, p))[1]) for p in grid])
        axes[0].set(xlabel="of 8 samples, better than the reference", ylabel="weight on log π(y)", title="π(y) = 0.2")
        axes[0].set_ylim(bottom=-2.2)  # room for the legend
        axes[1].set(xlabel="π(y)", ylabel="weight on log π(y)", title="reference behind all samples")
        axes[2].set(xlabel="π(y)", ylabel="weight on log π(y)", title="reference ahead of all samples")
