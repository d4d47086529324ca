"""Low-rank adapters through peft (arXiv:2106.09685): the base model stays as it is, and only the adapter is trained."""

import importlib.util
from collections.abc import Sequence

from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D


def add_lora(model: PreTrainedModel, *, r: int, alpha: int, target_modules: Sequence[str] = ()) -> None:
    """Put an adapter of rank r, scaled by alpha / r, on the named layers, or on all linear ones but the output's.

    It starts as the identity, so the adapted model is the base model before the first step, and the base model is the
    adapted one with the adapter switched off. Raises `ValueError` where peft is missing or a name matches no layer.
    """
    if importlib.util.find_spec("peft") is None:
        raise ValueError("use_peft needs peft: pip install 'grao_ref[peft]'")
    from peft import LoraConfig

    targets = [name for name in target_modules if name != "all-linear"] or "all-linear"
    try:
        model.add_adapter(
            LoraConfig(
                task_type="CAUSAL_LM",
                r=r,
                lora_alpha=alpha,
                target_modules=targets,
                fan_in_fan_out=any(
                    isinstance(module, Conv1D) for module in model.modules()
                ),  # GPT-2's own linear layer
            )
        )
    except ValueError as error:
        raise ValueError(f"lora_target_modules: {str(error).splitlines()[0]}") from None
