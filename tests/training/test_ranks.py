"""Two real processes with gloo: they train as one process would, write one folder, and end together.

Each starts once for all tests (`two_processes.py`), since importing takes longer than what is tried.
"""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from grao_ref.records import Batch, Tokens, join, take
from grao_ref.train import main
from grao_ref.training.machine import ALONE, require_one_process
from grao_ref.training.metrics import joined
from grao_ref.training.ranks import Ranks, this_machine
from tests.command import refused, rows_of
from tests.processes import together
from tests.training.batch import batch
from tests.training.two_processes import CASES, MODULE


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def killed(folder) -> list[subprocess.CompletedProcess]:
    return together(MODULE, "killed", str(folder), KILLED_AT="2")


@pytest.fixture(scope="module")
def found(folder, killed) -> list[dict]:
    """What each process found; its words too."""
    ended = together(MODULE, "others", str(folder))
    assert [process.returncode for process in ended] == [0, 0], [process.stderr for process in ended]
    words = [{"out": process.stdout, "err": process.stderr} for process in ended]
    return [json.loads((folder / f"{rank}.json").read_text()) | words[rank] for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_processes_that_share_the_prompts_train_as_one_that_has_them_all(found, case):
    """Unequal shares, in two micro-batches each; weights in float64 after three steps, and every metric."""
    of_processes = [process["differences"][case] for process in found]
    for different in of_processes:
        assert different["weights"] < 1e-10
        assert different["metrics"] < 1e-6
        assert different["prompts"] == 5
    assert max(different["control"] for different in of_processes) > 1e-3  # without an exchange


def test_each_process_samples_answers_of_its_own(found):
    first, second = found[0]["sampled"]
    assert first != second
    assert found[0]["sampled"] == found[1]["sampled"]


def test_other_weights_in_one_process_are_refused(found):
    assert all("hold different weights" in process["refused"] for process in found)


def test_one_process_speaks_and_there_is_one_folder(found, folder):
    assert "step 4/4" in found[0]["out"]
    assert not found[1]["out"]
    assert [row["step"] for row in rows_of(folder / "whole")] == [0, 1, 2, 3, 4]
    assert not list(folder.glob("whole*"))[1:]


def test_a_killed_process_ends_the_run_in_one_line_that_says_how_to_go_on(killed, folder):
    survivor, victim = killed
    assert victim.returncode == -9
    assert survivor.returncode == 1
    line, on, command = survivor.stderr.strip().splitlines()
    at = folder / "killed"
    assert line == "error: another process of this run is gone"
    assert on == "To go on from checkpoint-2:"
    flags = f"--config {at / 'config.yaml'} --resume-from-checkpoint {at}"
    assert command == f"  torchrun --nproc-per-node 2 -m grao_ref.train {flags}"


def test_the_resumed_run_is_the_one_without_an_accident(found, folder):
    assert found[0]["codes"][:2] == [0, 0]
    whole, resumed = (load_file(folder / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    untimed = [
        [{name: value for name, value in row.items() if name != "step_time"} for row in rows_of(folder / name)]
        for name in ("whole", "killed")
    ]
    assert untimed[0] == untimed[1]


def test_an_error_in_one_process_ends_both_and_is_said_once(found):
    assert [process["codes"][2:] for process in found] == [[2, 2], [1, 2]]
    raised, refusal = [line for line in found[0]["err"].splitlines() if line.startswith("error: ")]
    assert raised.startswith("error: process 1 of 2: reward function")
    assert "out of order" in raised
    assert refusal == "error: each of 2 processes takes a GPU of its own, so device is auto, cuda or cpu, got 'cuda:0'"
    assert "error" not in found[1]["err"]


def test_another_number_of_processes_is_refused(found, folder, capsys):
    line = refused(main, ["--config", folder / "whole" / "config.yaml", "--resume-from-checkpoint",
                          folder / "whole" / "checkpoint-2"], capsys)  # fmt: skip
    assert "was written by a run of 2 processes, and this run has 1: " in line
    assert line.endswith("(torchrun --nproc-per-node 2 -m grao_ref.train)")


def test_one_process_takes_every_prompt_and_exchanges_nothing(monkeypatch):
    some = batch()
    assert ALONE.prompts(some) is some
    assert ALONE.whole(some) is some
    assert (ALONE.total(7), ALONE.every("x"), ALONE.together(lambda: 3)) == (7, ["x"], 3)
    assert ALONE.writes
    rng, sampling_rng = ALONE.generators(3, torch.device("cpu"))
    assert rng is sampling_rng
    assert rng.initial_seed() == 3
    assert this_machine() is ALONE
    require_one_process("this works")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"MASTER_ADDR does not say .* torchrun --nproc-per-node 2 -m grao_ref\.train"):
        this_machine()
    with pytest.raises(ValueError, match="finetune trains in one process, and this is one of 2"):
        require_one_process("finetune trains")
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(ValueError, match="the first below the second, got '2' and '2'"):
        this_machine()


def test_fewer_prompts_than_processes_are_refused_and_shares_are_whole():
    with pytest.raises(ValueError, match="3 processes can't share 2 prompts of a step"):
        Ranks(0, 3).prompts(batch())
    shares = [Ranks(rank, 2).prompts(batch()) for rank in range(2)]
    assert [len(share) for share in shares] == [1, 1]
    assert torch.equal(join(shares).samples.ids, batch().samples.ids)


def test_joined_records_are_padded_alike():
    short = Tokens(torch.tensor([[1, 2]]), torch.ones(1, 2, dtype=torch.bool))
    long = Tokens(torch.tensor([[3, 4, 5], [6, 7, 8]]), torch.ones(2, 3, dtype=torch.bool))
    whole = join([Batch(short, short), Batch(long, long)])
    assert whole.prompts.ids.tolist() == [[1, 2, 0], [3, 4, 5], [6, 7, 8]]
    assert whole.prompts.mask.tolist() == [[True, True, False], [True] * 3, [True] * 3]
    assert torch.equal(take(whole, slice(1, 3)).references.ids, long.ids)
    assert whole.samples is None


def test_metrics_of_several_processes_are_those_of_one_batch():
    one = {
        "loss": torch.tensor([1.0, 2.0]),
        "completions/min_length": torch.tensor(3.0),
        "grad_norm": torch.tensor(0.5),
    }
    other = {"loss": torch.tensor([4.0]), "completions/min_length": torch.tensor(2.0), "grad_norm": torch.tensor(0.5)}
    found = joined([one, other])
    assert found["loss"].tolist() == [1, 2, 4]
    assert found["completions/min_length"] == 2
    assert found["grad_norm"] == 0.5
    assert joined([one]) is one
