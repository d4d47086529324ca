"""Same machine, seed and threads: the same run, bit for bit, killed or not. Otherwise: how far apart.

What goes on between steps of one process is in test_checkpoint.py. Here processes are killed.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from grao_ref.methods.registry import BUILT_IN
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.training.loop import proceed, start

ROOT = Path(__file__).parents[2]
KILLED = """
import sys
from pathlib import Path
from tests.faults.harness import prepare
prepare()
from tests.faults.methods import killed, kinds
from tests.faults.workshop import Workshop
shop = Workshop(Path(sys.argv[1]), seed=7)
shop.begin("determinism")
for number, name in enumerate(kinds(shop)):
    trial = killed(shop, name, ("update", "save")[number % 2])
    print(trial.seen, trial.fault, trial.details, sep="|")
"""


@pytest.fixture(scope="module")
def killed_runs(tmp_path_factory) -> dict[str, tuple[str, str]]:
    """What was seen of each kind of run: killed in an update or in a save, and gone on in another process.

    From a process of its own: this one has threads, and can't be forked.
    """
    command = [sys.executable, "-c", KILLED, str(tmp_path_factory.mktemp("killed"))]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found: dict[str, tuple[str, str]] = {}
    for line in ended.stdout.splitlines():
        seen, name, details = line.split("|", 2)
        found[name] = seen, details
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runs are forked")
def test_killed_runs_of_each_method_with_lora_and_with_models_in_folders_go_on_exactly(killed_runs):
    assert {f"{method}, {model}" for method in BUILT_IN for model in ("embedded model", "bandit")} <= killed_runs.keys()
    assert {f"grao, {name} from a folder" for name in ("gpt2", "llama", "qwen3")} <= killed_runs.keys()
    wrong = {name: seen for name, seen in killed_runs.items() if seen[0] != "exact"}
    assert wrong == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runs are forked")
def test_with_lora_too(killed_runs):
    pytest.importorskip("peft")
    lora = {name for name in killed_runs if "LoRA" in name}
    assert lora == {"grao, LoRA", "dpo, LoRA", "grao, LoRA on llama from a folder"}


SMALL = Config(max_steps=1, num_generations=4, per_device_train_batch_size=16, max_grad_norm=0.0)


def gradients(config: Config) -> tuple[torch.Tensor, torch.Tensor]:
    """Of one step, and the samples that it was made on."""
    setup = prepare(config)
    training = start(setup.policy, config)
    (report,) = proceed(setup.task, training, config)
    found = [p.grad.flatten() for p in training.policy.parameters() if p.grad is not None]
    return torch.cat(found), report.batch.samples.ids


@pytest.mark.parametrize("method", [name for name in BUILT_IN if name not in ("sft", "dpo")])
def test_micro_batches_change_the_order_of_the_sums_and_nothing_else(method):
    whole, samples = gradients(replace(SMALL, method=method))
    for parts in (2, 4):
        size = SMALL.per_device_train_batch_size // parts
        split, again = gradients(
            replace(SMALL, method=method, per_device_train_batch_size=size, gradient_accumulation_steps=parts)
        )
        assert torch.equal(samples, again)
        assert (split - whole).abs().max() <= 1e-6
        apart = ((split - whole).norm() / whole.norm()).item()
        print(f"{method}, {parts} micro-batches: {apart:.1e} of the gradient's norm")
        assert apart <= 5e-6
    other, _ = gradients(replace(SMALL, method=method, seed=1))  # control: other prompts have other gradients
    assert (other - whole).norm() > 1e-3 * whole.norm()


THREADS = """
import sys, torch
torch.set_num_threads(int(sys.argv[1]))
from transformers import AutoConfig, AutoModelForCausalLM
torch.manual_seed(0)
sizes = dict(hidden_size=512, intermediate_size=1024, num_hidden_layers=2, num_attention_heads=8, vocab_size=2048)
model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **sizes))
ids = torch.randint(512, (8, 128))
model(ids, labels=ids).loss.backward()
torch.save(torch.cat([p.grad.flatten() for p in model.parameters()]), sys.argv[2])
"""


def gradient_with(threads: int, path: Path) -> torch.Tensor:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run([sys.executable, "-c", THREADS, str(threads), str(path)], env=environment, cwd=ROOT, check=True)
    return torch.load(path)


def test_threads_change_a_gradient_by_rounding_at_most_and_the_same_number_of_them_by_nothing(tmp_path):
    one, again, two = (gradient_with(count, tmp_path / f"{n}.pt") for n, count in enumerate((1, 1, 2)))
    assert torch.equal(one, again)
    apart = ((two - one).norm() / one.norm()).item()
    print(f"two threads and one: {apart:.1e} of the gradient's norm")
    assert apart <= 1e-4
