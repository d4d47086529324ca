"""claim-15: the share of each term in the loss, early and late."""

from theory.curves import LAM, TERMS, curves, shares
from theory.ledger import Check, Finding, Run, claim
from theory.unpublished import UNPUBLISHED


@claim(
    "claim-15",
    "Before step 200 imitation and regulariser are > 82 % of the loss; then exploration 52-61 %, imitation < 40 %.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "The paper's logs aren't public; on our small problem, too, imitation and the "
        "regulariser are the larger part of the loss at first."
    },
)
def claim_15(run: Run) -> Finding:
    """In `outputs` alignment = λ exploration (figure-5), so a share e of exploration means (1 − 1.6 e) of imitation:
    e can't exceed 1/(1 + λ) = 62.5 %, e < 18 % means imitation > 71 %, and 52-61 % leaves imitation 2-17 %, well
    below the 40 % claimed as its bound. With the reference pooled the three are free.
    """
    table = {
        name: shares(curves(run.size, "common")[name]) for name in ("GRAO printed", "GRAO repaired", "GRAO outputs")
    }
    largest = {name: float(rows[:, 0].max()) for name, rows in table.items()}
    return Finding(
        "Consistent with either pool. The bandit's printed run starts alike, with imitation and regulariser on top, "
        f"and exploration reaches at most {largest['GRAO outputs']:.1%} in `outputs`.",
        untestable=UNPUBLISHED,
        holds=[
            Check(what="imitation and regulariser's share at the first step, reference pooled",
                  measured=float(1 - table["GRAO printed"][0, 0]), test=">", limit=0.6,
                  control="exploration's own", control_measured=float(table["GRAO printed"][0, 0])),
            Check(what="exploration's largest share in `outputs`",
                  measured=largest["GRAO outputs"], test="<", limit=1 / (1 + LAM) + 1e-9,
                  control="of exploration and alignment together",
                  control_measured=float(table["GRAO outputs"][:, [0, 2]].sum(1).max())),
        ],
        numbers={f"{term}'s share, {when}, {name}": float(rows[index, i]) for name, rows in table.items()
                 for when, index in (("first step", 0), ("last step", -1)) for i, term in enumerate(TERMS)},
    )  # fmt: skip
