"""Runs that are broken on purpose, for the page *Six broken curves*: what breaks each, its record, its pictures.

`python -m tutorials.broken_curves` trains all of them again (some minutes on one core) and writes
tutorials/recorded/broken_curves.json.
"""

import html
import json
import math
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref import finetune
from grao_ref.data.sorting import sorting_rows
from grao_ref.policies.embedded import tiny_folder
from grao_ref.rewards.sorting import sorting
from grao_ref.runs.finetune import Finetuning, Rewarding
from tutorials import style

RECORD = Path(__file__).parent / "recorded" / "broken_curves.json"
STEPS, SHOWN = 80, (1, 2, 5, 10, 20, 40, 80)
HELD_OUT = 100  # rows that are evaluated and never trained on
# The settings of `grao train` without flags, but for the number of steps and of the evaluations.
USUAL: dict[str, Any] = {
    "learning_rate": 3e-4,
    "max_steps": STEPS,
    "max_completion_length": 8,
    "per_device_train_batch_size": 128,
    "eval_steps": 20,
}
METRICS = (  # what the page shows of each run, in this order
    "reward",
    "loss",
    "reward_std",
    "frac_reward_zero_std",
    "grad_norm",
    "entropy",
    "completions/mean_length",
    "completions/clipped_ratio",
    "reference/win_rate",
    "reference/logp_per_token",
    "objective_share/imitation",
    "rewards/sorting/mean",
    "eval_reward",
)


def marked(completions: list[str], **columns: Any) -> list[float]:
    """1 for an answer that has the mark `####`, which nobody asked for, else 0."""
    return [float("####" in text) for text in completions]


def as_written(
    completions: list[str], references: list[str], **columns: Any
) -> list[float]:
    """The share of the reference's five digits that the answer has at the same place."""
    pairs = zip(completions, references, strict=True)
    return [sum(a == b for a, b in zip(text, y, strict=False)) / 5 for text, y in pairs]


def in_order(completions: list[str], **columns: Any) -> list[float]:
    """The share of neighbours of which the second is not smaller; 0 without neighbours."""
    neighbours = [list(pairwise(text)) for text in completions]
    return [sum(a <= b for a, b in each) / max(len(each), 1) for each in neighbours]


@dataclass(frozen=True)
class Broken:
    """A run: its reward, and the settings in which it differs from the usual ones."""

    reward: Rewarding = sorting
    changes: dict[str, Any] = field(default_factory=dict)

    def begin(self, **more: Any) -> Finetuning:
        """The run, before its first step. A reward of its own is watched by `sorting`, at weight 0."""
        model = AutoModelForCausalLM.from_pretrained(tiny_folder())
        tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
        rows = list(sorting_rows())
        own = self.reward is not sorting
        weights = {"reward_weights": [1.0, 0.0]} if own else {}
        return finetune(
            model,
            tokenizer,
            rows[:-HELD_OUT],
            reward_funcs=[self.reward, sorting] if own else sorting,
            eval_rows=rows[-HELD_OUT:],
            **USUAL | self.changes | weights | more,
        )


RUNS = {
    "rate": Broken(changes={"learning_rate": 3e-2}),
    "dead": Broken(marked),
    "printed": Broken(changes={"imitate_only_when_ahead": False}),
    "copied": Broken(as_written),
    "gamed": Broken(in_order, {"learning_rate": 1e-3}),
    "pair": Broken(changes={"num_generations": 2, "per_device_train_batch_size": 2}),
    "zero": Broken(changes={"method": "grpo"}),
}


def train(run: Broken) -> dict[str, Any]:
    """Every metric of every step, and the first four answers of the last one."""
    training, steps, answers = run.begin(), [], []
    for report in training:
        steps.append(report.means())
        answers = training.completions(report)
    seen = [(row["prompt"], row["completion"]) for row in answers]
    first = dict(reversed(seen))  # one answer to each prompt, the first
    return {
        "changes": run.changes,
        "reward": name_of(run),
        "metrics": {
            name: [rounded(step.get(name)) for step in steps]
            for name in METRICS
            if any(name in step for step in steps)
        },
        "answers": [prompt + answer for prompt, answer in list(first.items())[-4:]],
    }


def rounded(value: float | None) -> float | None:
    """Four digits behind the point; None for what was not logged, or is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, 4) + 0.0


def name_of(run: Broken) -> str:
    """What the reward is called in the record."""
    return str(getattr(run.reward, "__name__", run.reward))


def recorded() -> dict[str, Any]:
    """The runs of the record, by name."""
    found: dict[str, Any] = json.loads(RECORD.read_text())["runs"]
    return found


def at(name: str, metric: str, step: int) -> float:
    """A metric of a recorded run in a step. Raises `KeyError` or `TypeError` where it was not logged."""
    return float(recorded()[name]["metrics"][metric][step - 1])


def curve(name: str, alt: str) -> None:
    """What one looks at first: reward and loss by step."""
    logged = recorded()[name]["metrics"]
    drawn, (above, below) = style.figure(2, height=1.7)
    rewards, losses = logged["reward"], logged["loss"]
    numbers = range(1, len(rewards) + 1)
    above.plot(numbers, rewards, color=style.BLUE)
    above.set(ylabel="reward", ylim=(-0.05, 1.05), yticks=(0, 0.5, 1))
    below.plot(numbers, losses, color=style.ORANGE)
    below.set(ylabel="loss", xlabel="step")
    if max(map(abs, losses)) < 1e-3:
        below.set(ylim=(-1, 1))
    caption = (
        f"Recorded: {len(rewards)} steps, seed 0. Means over the answers of each step."
    )
    style.show(drawn, caption, alt=alt)


def metrics(name: str) -> None:
    """More of the run's metrics.jsonl and some of its last answers, folded."""
    run = recorded()[name]
    rows = "".join(
        _row([f"<code>{metric}</code>", *(_shown(values[n - 1]) for n in SHOWN)])
        for metric, values in run["metrics"].items()
    )
    head = _row(["step", *map(str, SHOWN)], "th")
    answers = ", ".join(
        f"<code>{html.escape(answer)}</code>" for answer in run["answers"]
    )
    style.present(
        f"<details><summary>more of metrics.jsonl, and four answers</summary><table><thead>{head}</thead>"
        f"<tbody>{rows}</tbody></table><p>Answers of the last step: {answers}</p></details>",
        f"metrics of the run {name}",
    )


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:.2f}"


def _row(cells: list[str], tag: str = "td") -> str:
    return f"<tr>{''.join(f'<{tag}>{each}</{tag}>' for each in cells)}</tr>"


def main() -> int:
    """Train every run and write the record."""
    found = {name: train(run) for name, run in RUNS.items()}
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(run)}" for name, run in found.items()
    )
    RECORD.write_text(f'{{"usual": {json.dumps(USUAL)}, "runs": {{\n{lines}\n}}}}\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
