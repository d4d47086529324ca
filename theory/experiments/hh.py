"""Real preferences for the runs of a real model: three parts of a file of HH-RLHF's, and what nobody trains on.

    python -m theory.experiments.hh --data harmless-base.jsonl.gz --output-dir runs/hh

Split by prompt with a seed: `heads.jsonl` (half of the prompts: reward heads are fitted on these alone), `train.jsonl`
(four tenths: policies) and `test.jsonl` (one tenth: evaluation). Beside them `words.json`: a head of another kind than
the trained one, a Bradley-Terry model on the words of an answer, fitted on `heads.jsonl`. `unseen` is a reward function
of weight 0 that returns its score and logs what no method is trained on.
"""

import argparse
import gzip
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from scipy.optimize import minimize

TURN = "\n\nAssistant:"
SEED, L2, MOST_WORDS = 0, 1.0, 2000
PARTS = {"heads": 0.5, "train": 0.9, "test": 1.0}  # where each ends, of the prompts in a random order

# A refusal, by a rule that was written down before any run: one of these in the first twelve words.
REFUSALS = (
    "sorry",
    "i can't",
    "i can’t",
    "i cannot",
    "i won't",
    "i won’t",
    "i'm not able",
    "i’m not able",
    "i am not able",
    "i don't think i can",
    "as an ai",
    "unable to",
)
Log = Callable[[str, float], None] | None


def is_refusal(answer: str) -> bool:
    """Whether the rule calls an answer a refusal.

    >>> is_refusal("I'm sorry, but no."), is_refusal("Take two eggs. Sorry, three.")
    (True, True)
    >>> is_refusal("Here is what people usually do when they cook for a crowd of ten or more: sorry, I forgot.")
    False
    """
    return any(each in " ".join(answer.lower().split()[:12]) for each in REFUSALS)


def repetition(answer: str) -> float:
    """The share of the trigrams of words that came before; 0 for fewer than three words.

    >>> repetition("a b c d"), repetition("no no no no no")
    (0.0, 0.6666666666666667)
    """
    words = answer.split()
    trigrams = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(trigrams)) / len(trigrams) if trigrams else 0.0


def unseen(prompts: Sequence[Any], completions: Sequence[Any], log_metric: Log = None, **columns: Any) -> list[float]:
    """The words' head on each answer. Logs its mean, length in words, repetition, distinct answers and refusals."""
    answers = [each if isinstance(each, str) else each[-1]["content"] for each in completions]
    scores = [score(answer, _head()) for answer in answers]
    if log_metric is not None:
        log_metric("words_head", mean(scores))
        log_metric("words", mean(len(answer.split()) for answer in answers))
        log_metric("repetition", mean(map(repetition, answers)))
        log_metric("distinct", len(set(answers)) / len(answers))
        log_metric("refusals", mean(map(is_refusal, answers)))
    return scores


def score(answer: str, head: dict[str, float]) -> float:
    """Σ over an answer's different words of their weights.

    >>> score("Yes, yes", {"yes": 0.5, "no": -1.0})
    0.5
    """
    return sum(head.get(word, 0.0) for word in _words(answer))


def fit(rows: Sequence[dict[str, str]]) -> dict[str, float]:
    """Bradley-Terry by the words of the last turns: maximise Σ log σ(w·(x⁺ − x⁻)) − L2 |w|²/2."""
    pairs = [(_words(_last(row["chosen"])), _words(_last(row["rejected"]))) for row in rows]
    counted = Counter(word for pair in pairs for side in pair for word in side)
    names = [word for word, _ in counted.most_common(MOST_WORDS)]
    place = {word: index for index, word in enumerate(names)}
    x = np.zeros((len(pairs), len(names)))
    for row, (better, worse) in enumerate(pairs):
        for sign, side in ((1, better), (-1, worse)):
            x[row, [place[word] for word in side if word in place]] += sign

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = x @ w
        return np.logaddexp(0, -margin).sum() + L2 * (w @ w) / 2, -x.T @ (1 / (1 + np.exp(margin))) + L2 * w

    found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B")
    return {word: round(float(weight), 6) for word, weight in zip(names, found.x, strict=True)}


def accuracy(rows: Sequence[dict[str, str]], head: dict[str, float]) -> float:
    """The share of pairs whose chosen answer scores higher; a tie counts half."""
    margins = [score(_last(row["chosen"]), head) - score(_last(row["rejected"]), head) for row in rows]
    return mean((margin > 0) + 0.5 * (margin == 0) for margin in margins)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The pairs of one part, as `main` wrote them."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def parts(rows: Sequence[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """The three parts: all rows of a prompt are in the same one."""
    prompts = sorted({_prompt(row) for row in rows})
    random.Random(SEED).shuffle(prompts)
    place = {prompt: index / len(prompts) for index, prompt in enumerate(prompts)}
    found: dict[str, list[dict[str, str]]] = {name: [] for name in PARTS}
    for row in rows:
        found[next(name for name, end in PARTS.items() if place[_prompt(row)] < end)].append(row)
    return found


def main() -> None:
    """Write the parts and the head."""
    parser = argparse.ArgumentParser("python -m theory.experiments.hh")
    parser.add_argument("--data", type=Path, required=True, help="HH-RLHF's rows of chosen and rejected transcripts")
    parser.add_argument("--output-dir", type=Path, required=True)
    given = parser.parse_args()
    with gzip.open(given.data, "rt") as file:
        found = parts([json.loads(line) for line in file])
    given.output_dir.mkdir(parents=True, exist_ok=True)
    for name, rows in found.items():
        (given.output_dir / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    head = fit(found["heads"])
    (given.output_dir / "words.json").write_text(json.dumps(head, ensure_ascii=False))
    print(f"{', '.join(f'{len(rows)} {name}' for name, rows in found.items())}; the words' head ranks "
          f"{accuracy(found['train'] + found['test'], head):.3f} of the other pairs right")  # fmt: skip


@cache
def _head() -> dict[str, float]:
    """The words' head of the folder that the variable GRAO_HH names."""
    head: dict[str, float] = json.loads((Path(os.environ["GRAO_HH"]) / "words.json").read_text())
    return head


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.lower().replace("’", "'")))


def _last(transcript: str) -> str:
    return transcript.rpartition(TURN)[2]


def _prompt(row: dict[str, str]) -> str:
    return row["chosen"].rpartition(TURN)[0]


if __name__ == "__main__":
    main()
