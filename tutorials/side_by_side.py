"""All methods on two tasks: what two commands measured, kept as a record, and the tables of the page *What to expect*.

    make train ARGS="--compare --num-seeds 5 --num-generations-eval 4 --output-dir runs/five"
    make train ARGS="--preset bandit --compare --max-steps 200 --output-dir runs/bandit" > bandit.txt
    python -m tutorials.side_by_side runs/five bandit.txt    # writes tutorials/recorded/side_by_side.json, prints tables

A run's folder has the mean reward of each seed. The bandit's thousand tables are means in its folder, so its intervals
are read from what the command prints.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import torch

from grao_ref.runs.results import Curve

RECORD = Path(__file__).parent / "recorded" / "side_by_side.json"
SORTING = 'make train ARGS="--compare --num-seeds 5 --num-generations-eval 4"'
BANDIT = 'make train ARGS="--preset bandit --compare --max-steps 200"'
NAMES = {
    "sft": "SFT",
    "dpo": "DPO",
    "ppo": "PPO",
    "grpo": "GRPO",
    "grao, repaired": "GRAO, repaired",
    "grao, as printed": "GRAO, as printed",
}
STEPS = (0, 50, 100, 200)
KEPT = (0, 20, 50, 100, 200)
FIELDS = {"rewards": "eval_reward", "references": "eval_reference/logp_per_token"}


def read_sorting(folder: Path) -> dict[str, Any]:
    """Of each method and step: the held-out reward and the references' log-likelihood of each seed."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    found: dict[str, Any] = {field: {} for field in FIELDS}
    for row in map(json.loads, lines):
        for field, name in FIELDS.items():
            if row["step"] in KEPT and name in row:
                steps = found[field].setdefault(row["run"], {})
                steps.setdefault(str(row["step"]), []).append(round(row[name], 8))
    return {"command": SORTING, **found}


def read_bandit(printed: str) -> dict[str, Any]:
    """The rows of the table that the command prints, by method."""
    rows = {}
    for name in NAMES:
        row = re.search(rf"^ *{re.escape(name)}   +(0\.\d.*)$", printed, re.MULTILINE)
        if row is None:
            raise ValueError(f"the table has no row {name!r}")
        rows[name] = re.split(r"   +", row[1].strip())
    return {"command": BANDIT, "rows": rows}


def sorting_rows(record: dict[str, Any]) -> list[list[str]]:
    """Mean and Student's 95 % interval over the seeds, by method."""
    rows = []
    for name, title in NAMES.items():
        by_step = record["sorting"]["rewards"][name]
        curve = Curve(list(STEPS), torch.tensor([by_step[str(step)] for step in STEPS]))
        rows.append([title, *(curve.at(index) for index in range(len(STEPS)))])
    return rows


def bandit_rows(record: dict[str, Any]) -> list[list[str]]:
    """As printed; an interval of a method that samples nothing is 0, and left out."""
    rows = record["bandit"]["rows"]
    still = {
        name
        for name, cells in rows.items()
        if all("± 0.000" in cell for cell in cells[1:])
    }
    return [
        [
            title,
            *(
                cell.replace(" ± 0.000", "") if name in still else cell
                for cell in rows[name]
            ),
        ]
        for name, title in NAMES.items()
    ]


def markdown(rows: list[list[str]]) -> str:
    """The rows as a table."""
    heading = ["method", "base", *(f"step {step}" for step in STEPS[1:])]
    lines = [heading, [":---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str] | None = None) -> None:
    """Keep what the two commands measured, and print both tables."""
    parser = argparse.ArgumentParser("python -m tutorials.side_by_side")
    parser.add_argument("sorting", type=Path, help="the folder of the first command")
    parser.add_argument("bandit", type=Path, help="a file with what the second printed")
    options = parser.parse_args(arguments)
    found = {
        "sorting": read_sorting(options.sorting),
        "bandit": read_bandit(options.bandit.read_text()),
    }
    RECORD.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    print(markdown(sorting_rows(found)), markdown(bandit_rows(found)), sep="\n\n")


if __name__ == "__main__":
    main()
