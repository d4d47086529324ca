"""What each of two processes does in test_ranks.py, started by it: `python -m tests.training.two_processes JOB FOLDER`.

`killed`: a run whose second process is killed in its third step. `others`: the same run without an accident, that run
resumed, and updates on shared batches beside one process with all prompts. Results go to FOLDER as JSON.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import END, tiny_model
from grao_ref.records import Batch, LogProbs, Rewards, Tokens, split, take
from grao_ref.settings.config import Config
from grao_ref.train import main
from grao_ref.training.collect import advantages_of, critique_of
from grao_ref.training.loop import Training, start
from grao_ref.training.machine import ALONE, Machine
from grao_ref.training.metrics import joined
from grao_ref.training.ranks import ReportedError, require_alike, this_machine
from grao_ref.training.update import update

MODULE = "tests.training.two_processes"
N, G, WIDTH = 5, 3, 6
CASES = {name: {"method": name} for name in BUILT_IN} | {
    "grao, printed": {"method": "grao", "imitate_only_when_ahead": False},
    "grpo, dapo": {"method": "grpo", "loss_type": "dapo"},
    "grpo, dr_grpo, kl": {"method": "grpo", "loss_type": "dr_grpo", "beta": 0.3},
    "grpo, one process unscored": {"method": "grpo"},
}


def reward(completions, trainer_state, **columns):
    """The share of digits 7. The second process is killed in it, where the environment says at which step."""
    if os.environ.get("RANK") == "1" and os.environ.get("KILLED_AT") == str(trainer_state.global_step):
        os.kill(os.getpid(), signal.SIGKILL)
    return [answer.count("7") / max(len(answer), 1) for answer in completions]


def failing(completions, **columns):
    """A reward that raises in the second process alone, and not where it is tried out."""
    if os.environ.get("RANK") == "1" and len(completions) > 4:
        raise RuntimeError("out of order")
    return [0.0] * len(completions)


def run(output: str, *more: str, reward_funcs: str = f"{MODULE}.reward") -> int:
    """Four steps of the command, two prompts in each process."""
    flags = "--max-steps 4 --save-steps 2 --eval-steps 4 --per-device-train-batch-size 8 --num-generations 4"
    words = ["--reward-funcs", reward_funcs, "--max-eval-prompts", "4", "--output-dir", output, *more]
    return main([*flags.split(), *words])


def batch_of(config: Config, policy: CausalLMPolicy, unscored: slice) -> Batch:
    """Five prompts with samples and random rewards, of which those of some prompts are missing; the same everywhere."""
    rng = torch.Generator().manual_seed(3)

    def tokens(lengths: list[int]) -> Tokens:
        ids = torch.randint(1, END, (N, max(lengths)), generator=rng)
        return Tokens(ids, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])

    prompts, references, rejected = tokens([4, 2, 3, 1, 4]), tokens([6, 2, 4, 5, 3]), tokens([1, 3, 2, 6, 4])
    samples = policy.sample(prompts, G, temperature=1.0, rng=rng)
    scored = torch.ones(N, G, dtype=torch.bool)
    scored[unscored] = False
    outputs = torch.rand(N, G, generator=rng).where(scored, torch.zeros(()))
    rewards = Rewards(outputs, torch.rand(N, generator=rng), scored, torch.ones(N, dtype=torch.bool))
    before = LogProbs(*(torch.rand(shape, generator=rng) - 2 for shape in ((N, G, WIDTH), (N, WIDTH), (N, WIDTH))))
    width = samples.ids.shape[2]
    before = replace(before, samples=before.samples[..., :width])
    batch = Batch(prompts, references, rejected=rejected, samples=samples, rewards=rewards, reference_model=before)
    method = BUILT_IN[config.method]
    if method.advantages is not None:
        batch = replace(batch, advantages=advantages_of(method, rewards, config))
    if method.critique is not None:
        values = torch.rand(samples.logprobs.shape, generator=rng)
        batch = replace(batch, critique=critique_of(method, batch, values, config))
    return batch


def trained(config: Config, machine: Machine, share: slice, unscored: slice) -> tuple[Training, list[dict]]:
    """Three updates on a share of the batch's prompts, and their metrics."""
    model = tiny_model(seed=0).double()
    policy = CausalLMPolicy(model, eos_ids=[END], max_completion_length=WIDTH, critic=config.method == "ppo")
    training, batch = start(policy, config, machine), batch_of(config, policy, unscored)
    options = {"independent_prompts": False, "machine": machine}
    found = [update(policy, training.optimizer, take(batch, share), config, **options) for _ in range(3)]
    return training, [joined(machine.every(metrics)) for metrics in found]


def difference(machine: Machine, settings: dict, *, unscored: slice) -> dict[str, float]:
    """Of processes that share five prompts, three and two, from one that has all; the control exchanges nothing."""
    config = Config(
        **settings, num_generations=G, per_device_train_batch_size=3 * G, gradient_accumulation_steps=2,
        optimizer="sgd", learning_rate=0.5, max_completion_length=WIDTH,
    )  # fmt: skip
    share = split(N, machine.processes)[machine.rank]
    alone, expected = trained(config, ALONE, slice(0, N), unscored)
    shared, found = trained(config, machine, share, unscored)
    control, _ = trained(config, ALONE, share, unscored)
    require_alike(shared)
    pairs = [(a[name], b[name]) for a, b in zip(expected, found, strict=True) for name in a]
    return {
        "weights": apart(alone, shared),
        "control": apart(alone, control),
        "metrics": max(((x - y).abs() / (1 + x.abs())).max().item() for x, y in pairs if x.numel()),
        "prompts": min(len(metrics["loss"]) for metrics in found),
    }


def apart(one: Training, other: Training) -> float:
    """The largest difference between two policies' weights."""
    pairs = zip(one.policy.parameters(), other.policy.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def sampled(machine: Machine) -> list[list[int]]:
    """One answer of each process to the same prompt, by their own generators."""
    policy = CausalLMPolicy(tiny_model(seed=0), eos_ids=[END], max_completion_length=WIDTH)
    _, rng = machine.generators(0, torch.device("cpu"))
    prompt = Tokens(torch.tensor([[1, 2, 3]]), torch.ones(1, 3, dtype=torch.bool))
    return machine.every(policy.sample(prompt, 2, temperature=1.0, rng=rng).ids.flatten().tolist())


def is_refused(machine: Machine) -> str:
    """How other weights in one process are refused."""
    policy = CausalLMPolicy(tiny_model(seed=machine.rank), eos_ids=[END], max_completion_length=WIDTH)
    try:
        require_alike(start(policy, Config(), machine))
    except (ReportedError, ValueError) as error:
        return str(error)
    return "not at all"


def others(folder: Path) -> dict:
    """All that is tried in two processes that stay alive."""
    codes = [
        run(str(folder / "whole")),
        run(str(folder / "killed"), "--resume-from-checkpoint", str(folder / "killed")),
    ]
    codes.append(run(str(folder / "failing"), reward_funcs=f"{MODULE}.failing"))
    codes.append(run(str(folder / "device"), "--device", "cuda:0"))
    machine = this_machine()
    nobody, second = slice(0, 0), split(N, machine.processes)[-1]
    differences = {
        case: difference(machine, settings, unscored=second if "unscored" in case else nobody)
        for case, settings in CASES.items()
    }
    return {"codes": codes, "differences": differences, "sampled": sampled(machine), "refused": is_refused(machine)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    job, where = sys.argv[1], Path(sys.argv[2])
    if job == "killed":
        sys.exit(run(str(where / "killed")))
    (where / f"{os.environ['RANK']}.json").write_text(json.dumps(others(where)))
