"""Devices: what is there is taken, what is not is said. Processes: test_ranks.py."""

import pytest
import torch

from grao_ref.training.machine import choose_device


def test_devices_that_are_not_there():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for device in ("cuda:99", "bananas"):
        with pytest.raises(ValueError, match=f"device '{device}' can't be used here: ") as caught:
            choose_device(device)
        assert "\n" not in str(caught.value)
