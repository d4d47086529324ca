"""claim-16: sparse against dense models."""

from math import sqrt

import torch

from theory.ledger import Check, Finding, Run, claim


@claim(
    "claim-16",
    "GRAO helps sparse MoE models more than dense ones, as normalised gradients concentrate the updates.",
    topic="the paper's numbers",
    answer={
        "holds under conditions": "The tables show a larger gain for the sparse model on one data set and a smaller "
        "one on the other, and dividing a gradient by a number can't be the reason."
    },
)
def claim_16(run: Run) -> Finding:
    """The mechanism: a group's weights are numbers, the same for every parameter, and eq-9's σ_A is 1; a scalar cannot
    move an update from some parameters to others. The tables: GRAO's relative gain over GRPO, Moonlight against Qwen.
    """
    from theory.paper_tables import TABLES

    gain = {(data, index): [100 * (TABLES[data]["GRAO"][m][i] / TABLES[data]["GRPO"][m][i] - 1) for m in (0, 1)]
            for data in TABLES for i, index in ((0, "RAS"), (2, "NAG"))}  # fmt: skip
    lead = {key: sparse - dense for key, (dense, sparse) in gain.items()}
    gradient = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    share = [float((scale * gradient).square().topk(10).values.sum() / (scale * gradient).square().sum())
             for scale in (1.0, 1 / sqrt(7))]  # fmt: skip
    return Finding(
        "By the tables it is so on harmless and the other way round on helpful. The explanation can't be right: "
        f"dividing by a number leaves the ten largest of a thousand entries with {share[0]:.1%} of the update, "
        "before and after.",
        holds=[Check(what="relative gain over GRPO on harmless, sparse − dense, smaller of RAS and NAG, points",
                     measured=min(lead["harmless", "RAS"], lead["harmless", "NAG"]), test=">", limit=0.0,
                     control="on helpful", control_measured=min(lead["helpful", "RAS"], lead["helpful", "NAG"]))],
        fails=[
            Check(what="the same on helpful, larger of the two",
                  measured=max(lead["helpful", "RAS"], lead["helpful", "NAG"]), test="<", limit=0.0,
                  control="on harmless", control_measured=max(lead["harmless", "RAS"], lead["harmless", "NAG"])),
            Check(what="change of the ten largest entries' share when a gradient is divided by a scalar",
                  measured=abs(share[0] - share[1]), test="<", limit=1e-12,
                  control="divided by its entries' sizes, as Adam does", control_measured=abs(share[0] - 0.01)),
        ],
        numbers={f"gain over GRPO, {data}, {index}, {model}, %": each for (data, index), row in gain.items()
                 for model, each in zip(("dense", "sparse"), row, strict=True)},
    )  # fmt: skip
