"""The table of the page *Which models*: what becomes of a tiny random model of every architecture, and why.

    python -m tests.policies.table_of_models            # writes the table into the page (a minute)

An architecture trains where `CausalLMPolicy` takes its model. Whether it is right to do so is measured apart from the
policy's own probe, in `disagreement`: with gradients, and with prompts and answers that are longer than any window of
these models.
"""

import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from torch import Tensor
from transformers import PreTrainedModel

from grao_ref.equations.logprob import token_logprobs
from grao_ref.plugins.blame import briefly
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.records import Tokens
from tests.policies.families import EOS, FAMILIES, VOCABULARY, tiny_model

PAGE = Path(__file__).parents[2] / "tutorials" / "pages" / "which_models.md"
BEGIN, END = "<!-- table of models: begin -->", "<!-- table of models: end -->"
TRAINS, REFUSED, UNTRIED = "trains", "refused", "not tried"
LENGTHS, GROUP, LONGEST = (9, 2, 5), 3, 12
HEAD = "| architecture | result | why |\n| :--- | :--- | :--- |"


@dataclass(frozen=True)
class Row:
    """What becomes of an architecture."""

    family: str  # `model_type` in a model's config.json
    result: str
    why: str = ""

    def __str__(self) -> str:
        return f"| `{self.family}` | {self.result} | {self.why} |"


def row_of(family: str) -> tuple[Row, CausalLMPolicy | None]:
    """The row of an architecture; its policy, where it trains."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = tiny_model(family)
        except Exception as error:  # whatever a model's classes may raise
            # Which key is missing first may differ from process to process: a set has no order.
            why = "a key is missing" if isinstance(error, KeyError) else briefly(error)
            return Row(family, UNTRIED, f"no tiny model of it was made ({_cell(why)})"), None
        try:
            policy = CausalLMPolicy(model, eos_ids=[EOS], max_completion_length=LONGEST)
        except ValueError as error:
            _, _, why = str(error).partition(" can't be trained here: ")
            return Row(family, REFUSED, _cell(why)), None
    alone = "" if policy.scorer.shares_prompts else "each answer is scored behind its own copy of the prompt"
    return Row(family, TRAINS, alone), policy


def _cell(text: str) -> str:
    """In a cell of a table: without numbers that other machines round otherwise."""
    text, _, _ = text.partition(", off by ")
    return " ".join(text.replace("|", "/").replace("<", "(").replace(">", ")").split())[:160]


def disagreement(policy: CausalLMPolicy) -> tuple[float, float]:
    """How far the sampler's and the scorer's log-probabilities, and the scorer's gradients, are off.

    From those of plain forward passes over each whole sequence, alone and without padding: the largest difference of
    log-probabilities, and the norm of the gradients' difference by their norm.
    """
    model, rng = policy.model, torch.Generator().manual_seed(0)
    attended = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    prompts = Tokens(torch.randint(2, VOCABULARY, attended.shape, generator=rng).where(attended, 0), attended)
    samples = policy.sample(prompts, GROUP, temperature=1.0, rng=rng)
    scores = policy.logprobs(prompts, samples.ids, samples.mask, temperature=1.0)
    expected = torch.zeros_like(scores)
    for place in samples.mask.any(dim=-1).nonzero().tolist():
        prompt, row = place
        before, counted = prompts.ids[prompt, attended[prompt]], samples.mask[prompt, row]
        answer = samples.ids[prompt, row, counted]
        logits = model(torch.cat([before, answer])[None], use_cache=False).logits[0, len(before) - 1 : -1].float()
        alone = token_logprobs(logits, answer, torch.ones_like(answer, dtype=torch.bool), temperature=1.0)
        expected = expected.index_put((torch.tensor(prompt), torch.tensor(row), counted.nonzero()[:, 0]), alone)
    off = max((samples.logprobs - expected).abs().max().item(), (scores - expected).abs().max().item())
    weights = torch.randn(scores.shape, generator=rng)
    ours, theirs = (_gradient(model, (each * weights).sum()) for each in (scores, expected))
    return off, ((ours - theirs).norm() / theirs.norm()).item()


def _gradient(model: PreTrainedModel, of: Tensor) -> Tensor:
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    found = torch.autograd.grad(of, trained, allow_unused=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(found, trained, strict=True)])


def rows_of(page: str) -> dict[str, Row]:
    """The rows that a page has."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "| `" in f"| {line}"
    ]
    rows = [Row(family.strip("`"), result, why) for family, result, why in cells if family.startswith("`")]
    return {row.family: row for row in rows}


def with_rows(page: str, rows: list[Row]) -> str:
    """The page with other rows: those that train first, then by name."""
    order = {TRAINS: 0, REFUSED: 1, UNTRIED: 2}
    ordered = sorted(rows, key=lambda row: (order[row.result], row.family))
    train, refused, untried = (sum(row.result == each for row in rows) for each in order)
    before, _, rest = page.partition(BEGIN)
    table = "\n".join([HEAD, *map(str, ordered)])
    told = (
        f"With transformers {transformers.__version__}: {train} train, {refused} are refused, {untried} were not tried."
    )
    return f"{before}{BEGIN}\n\n{told}\n\n{table}\n\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Write the table. Exit code 1 where a model is taken whose numbers are not its own."""
    logging.disable(logging.WARNING)
    rows, wrong = [], 0
    for family in FAMILIES:
        row, policy = row_of(family)
        rows.append(row)
        if policy is not None:
            numbers, gradients = disagreement(policy)
            wrong += not (numbers < 3e-4 and gradients < 5e-4)
            print(f"{family:24} {row.result:8} {numbers:8.1e} {gradients:8.1e} {row.why}", flush=True)
        else:
            print(f"{family:24} {row.result:8} {row.why}", flush=True)
    PAGE.write_text(with_rows(PAGE.read_text(), rows))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
