"""Models whose reading of a prompt can't be shared by its samples; what the sampler does is in test_causal_lm.py."""

import pytest
from transformers import FalconH1Config, FalconH1ForCausalLM, MambaConfig, MambaForCausalLM

from grao_ref.policies.sampler import require_shared_cache
from tests.policies.architectures import CONFIGS, random_model

FALCON = {
    "vocab_size": 24, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8,
}  # fmt: skip


def test_layers_with_a_state_are_refused_also_where_they_have_a_cache_beside_it():
    """Repeating the cache alone would give every sample but the first another state."""
    for model in (
        FalconH1ForCausalLM(FalconH1Config(**FALCON)),
        MambaForCausalLM(MambaConfig(vocab_size=24, hidden_size=32, num_hidden_layers=1)),
    ):
        with pytest.raises(
            ValueError, match=f"{type(model).__name__} has layers whose cache can't be shared by a group"
        ):
            require_shared_cache(model)


@pytest.mark.parametrize("name", CONFIGS)
def test_control_attention_alone_is_not_refused(name):
    require_shared_cache(random_model(name))
