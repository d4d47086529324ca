"""The critic of PPO: a linear function of a language model's last hidden states, and its file beside the model."""

import copy
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

FILE = "critic.safetensors"


def new_critic(model: PreTrainedModel) -> torch.nn.Linear:
    """V of a hidden state, 0 before training; float32 at least."""
    dtype = torch.promote_types(model.dtype, torch.float32)
    critic = torch.nn.Linear(model.config.get_text_config().hidden_size, 1, device=model.device, dtype=dtype)
    torch.nn.init.zeros_(critic.weight)
    torch.nn.init.zeros_(critic.bias)
    return critic


def frozen_critic(critic: torch.nn.Linear | None) -> torch.nn.Linear | None:
    """A copy that is not trained."""
    return None if critic is None else copy.deepcopy(critic).requires_grad_(False)


def save_critic(critic: torch.nn.Linear | None, folder: Path) -> None:
    """Its file, where there is a critic."""
    if critic is not None:
        save_file(critic.state_dict(), folder / FILE)


def load_critic(critic: torch.nn.Linear | None, folder: Path) -> None:
    """Take back what `save_critic` wrote; without a critic, a file of one is left where it is."""
    if critic is not None:
        critic.load_state_dict(load_file(folder / FILE))
