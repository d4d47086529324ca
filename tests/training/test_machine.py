"""Devices and processes: what is there is taken, what is not is said."""

import pytest
import torch

from grao_ref.records import Batch, Tokens
from grao_ref.training.machine import ALONE, Machine, choose_device, this_machine


def test_devices_that_are_not_there():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for device in ("cuda:99", "bananas"):
        with pytest.raises(ValueError, match=f"device '{device}' can't be used here: ") as caught:
            choose_device(device)
        assert "\n" not in str(caught.value)


def test_one_process_has_every_prompt_counts_alone_and_writes():
    prompts = Tokens(torch.arange(3)[:, None], torch.ones(3, 1, dtype=torch.bool))
    batch = Batch(prompts, prompts)
    assert ALONE.prompts(batch) is batch
    assert ALONE.total(7) == 7
    assert ALONE.writes
    rng, sampling_rng = ALONE.generators(3, torch.device("cpu"))
    assert rng is sampling_rng
    assert rng.initial_seed() == 3


def test_several_processes_are_refused_in_a_line_that_says_what_to_start(monkeypatch):
    assert this_machine() == Machine()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(
        ValueError, match=r"this is one of 2 .* start it with python -m grao_ref\.train"
    ):
        this_machine()
