"""eq-4: the standardised advantage."""

import torch

from grao_ref import group_advantages
from theory.equations import G, noise
from theory.ledger import Check, Finding, Run, claim


@claim(
    "eq-4",
    "Â = (R − μ_r)/σ_r over the group, with the population's deviation.",
    topic="advantages and groups",
    answer={
        "holds": "Yes: an answer's advantage is its reward minus the group's mean, divided by the group's standard "
        "deviation, wherever that isn't 0."
    },
)
def eq_4(run: Run) -> Finding:
    """There are two readings of the pool (thm-2, thm-3), and nothing is printed about σ_r = 0, which has probability
    p^G + (1−p)^G. Here a flat pool gives exactly 0, without an ε. The advantage does not change under R -> a R + c, so
    a judge's R(o, y) and a reward model's r(o) − r(y) are equivalent.
    """
    rewards, reference = noise(100, G), noise(100, seed=1)
    A_o, _ = group_advantages(rewards, reference, pool="outputs")
    closed = (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, correction=0, keepdim=True)
    bessel = (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, correction=1, keepdim=True)
    pooled, _ = group_advantages(rewards, reference)
    shifted, _ = group_advantages(rewards - reference[:, None], torch.zeros(100, dtype=torch.float64))
    half_shifted, _ = group_advantages(rewards - reference[:, None], reference)
    flat, _ = group_advantages(torch.full((1, 7), 0.95), torch.tensor([0.95]))
    one_off = torch.tensor([0.95] * 6 + [0.96])[None]
    return Finding(
        "As printed, where it is defined.",
        holds=[
            Check(what="|package − (R − μ)/σ|", measured=float((A_o - closed).abs().max()), test="<", limit=1e-12,
                  control="the sample deviation", control_measured=float((A_o - bessel).abs().max())),
            Check(what="|Â of r(o) and r(y) − Â of r(o) − r(y) and 0|",
                  measured=float((pooled - shifted).abs().max()), test="<", limit=1e-12,
                  control="R(y) left as it was",
                  control_measured=float((pooled - half_shifted).abs().max())),
            Check(what="|Â| of seven rewards of 0.95 in float32",
                  measured=float(flat.abs().max()), test="<", limit=1e-30,
                  control="one of them 0.96",
                  control_measured=float(group_advantages(one_off, torch.tensor([0.95]))[0].abs().max())),
        ],
    )  # fmt: skip
