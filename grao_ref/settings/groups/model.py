"""Settings: the model."""

from dataclasses import dataclass
from typing import Any, Literal

from grao_ref.settings.kinds import Count, Fraction


@dataclass(frozen=True)
class ModelGroup:
    """The model."""

    model_name_or_path: str = "tiny"
    """The policy: `tiny` (embedded), `tabular` (the bandit's), `smollm2`, a folder, or an id on the hub. An
    adapter's folder or id goes on training that adapter."""
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = "float32"
    """The type of the loaded weights; `auto`: as they were saved. In bfloat16, steps smaller than the rounding are
    lost, so that an adapter or a large learning rate is needed; in float16, only an adapter can be trained."""
    attn_implementation: str | None = None
    """How attention is computed: sdpa, eager, flash_attention_2, or another name that transformers knows. By default
    transformers chooses."""
    trust_remote_code: bool = False
    """Run the Python files that come with the model. They can do anything that you can do on this machine: read them
    first."""
    chat_template_path: str | None = None
    """A chat template instead of the model's: a Jinja file, or a folder or hub id of a model that has it. It is saved
    with the trained model."""
    chat_template_kwargs: dict[str, Any] | None = None
    """What the chat template is called with, such as {"enable_thinking": false}."""
    system_prompt: str | None = None
    """Put before every conversation that has no system message: a text, or a file that holds it."""
    skip_special_tokens: bool = True
    """Rewards see sampled answers without special tokens. False: with them, but for the token that ends the answer."""
    use_peft: bool = False
    """Train a LoRA adapter instead of the model. A model that is an adapter is trained further with or without it."""
    lora_r: Count = 16
    """Rank of the adapter."""
    lora_alpha: Count = 32
    """Scale of the adapter, times the rank."""
    lora_target_modules: tuple[str, ...] = ()
    """Layers that get an adapter, such as q_proj,v_proj; empty or all-linear: every linear layer but the output's."""
    lora_dropout: Fraction = 0.0
    """Share of the adapter's inputs that is dropped in the forward passes that gradients flow through, and only there:
    answers are sampled, scored for a KL penalty and evaluated without it."""
    merge_adapter: bool = False
    """Where the model is an adapter: add it to its base first, and train the whole model, or with use_peft a new
    adapter on it."""
