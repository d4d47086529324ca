"""What a command's runs came to, made by hand."""

import torch

from grao_ref.runs.results import Curve, Results


def results(names=("grao, repaired",), runs=1, seeds=(0,), shown=()) -> Results:
    rows = [
        {"run": name, "seed": seed, "step": step, "reward": 0.1 * step, "loss": 0.5 * step}
        | {"objective_share/exploration": 0.5, "objective_share/imitation": 0.3, "objective_share/alignment": 0.2}
        for name in names
        for seed in seeds
        for step in (1, 2, 3)
    ]
    curves = {name: Curve([0, 3], torch.tensor([[0.2] * runs, [0.4] * runs])) for name in names}
    return Results(curves, 0.7, "grao", list(shown), list(shown), rows)


def unscored(method="dpo", runs=1, seeds=(0,)) -> Results:
    """The same of a method that was trained without a reward."""
    measures = {
        "eval_loss": [0.7, 0.3],
        "eval_rewards/margins": [0.0, 1.5],
        "eval_rewards/accuracies": [0.0, 0.75],
        "eval_reference/logp_per_token": [-2.0, -1.5],
        "eval_mine": [3.0, 4.0],
    }
    curves = {name: Curve([0, 3], torch.tensor([[value] * runs for value in each])) for name, each in measures.items()}
    rows = [{"run": method, "seed": seed, "step": step, "loss": 0.5 * step} for seed in seeds for step in (1, 2, 3)]
    shown = [("1 + 1?", "3", None)]
    return Results(curves, None, f"{method}, seed 0", shown, shown, rows, scored=False)
