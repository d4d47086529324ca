"""The weights that another trainer is given make GRAO's own objective (thm-1), whatever could not be scored."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.calls import advantages_of
from grao_ref.methods.grao import GRAO
from grao_ref.methods.interface import Method
from grao_ref.methods.weights import row_weights, weighted_method
from grao_ref.records import Batch, LogProbs, Rewards, Samples, Tokens
from grao_ref.settings.config import Config
from tests.strategies import noise

N, G = 4, 3
DOUBLED = replace(GRAO, name="doubled", weights=lambda A, rewards, config: (2 * A.outputs, 2 * A.reference))
CASES = {
    "repaired": Config(num_generations=G),
    "printed": Config(num_generations=G, imitate_only_when_ahead=False),
    "outputs": Config(num_generations=G, pool="outputs", imitate_only_when_ahead=False),
    **{term: Config(num_generations=G, ablate=(term,)) for term in ("exploration", "imitation", "alignment")},
}


def rewards() -> tuple[torch.Tensor, torch.Tensor]:
    """NaN: not scored. One group is whole, one lacks a sample, one all but one, one its reference."""
    outputs, references = noise((N, G), 1), noise((N,), 2)
    outputs[1, 0] = outputs[2, 0] = outputs[2, 2] = references[3] = torch.nan
    return outputs, references


@pytest.mark.parametrize("case", CASES)
def test_weighted_log_likelihoods_add_up_to_the_method_s_objective(case):
    config, (outputs, references) = CASES[case], rewards()
    known = Rewards(outputs.nan_to_num(0), references.nan_to_num(0), ~outputs.isnan(), ~references.isnan())
    J_o, J_y = noise((N, G, 1), 3), noise((N, 1), 4)
    one = Tokens(torch.zeros(N, 1).long(), torch.ones(N, 1, dtype=torch.bool))
    samples = Samples(torch.zeros(N, G, 1).long(), torch.ones(N, G, 1, dtype=torch.bool), J_o)
    batch = Batch(one, one, samples=samples, rewards=known, advantages=advantages_of(GRAO, known, config))
    expected = GRAO.objective(LogProbs(J_o, J_y), batch, config).objective
    w_o, w_y = row_weights(outputs, references, config)
    found = (w_o * J_o[..., 0]).sum(-1) + w_y * J_y[:, 0]
    torch.testing.assert_close(found, expected)
    assert (w_o[outputs.isnan()] == 0).all()
    other = row_weights(outputs, references, replace(config, imitation_coef=2.0, alignment_coef=0.1))
    assert not torch.allclose((other[0] * J_o[..., 0]).sum(-1) + other[1] * J_y[:, 0], expected)


def test_a_method_of_a_user_s_own_has_weights_by_its_path():
    config = Config(method="tests.methods.test_weights.DOUBLED", num_generations=G)
    w_o, w_y = row_weights(*rewards(), config)
    assert w_o.shape == (N, G)
    assert w_y.shape == (N,)


def test_methods_that_are_no_weighted_sum_are_refused():
    for name in ("grpo", "sft", "ppo", "dpo"):
        with pytest.raises(ValueError, match=f"method '{name}' has no `weights`"):
            weighted_method(Config(method=name))
    with pytest.raises(ValueError, match="ablate leaves out all three terms"):
        weighted_method(Config(ablate=("exploration", "imitation", "alignment")))
    assert isinstance(weighted_method(Config()), Method)
    with pytest.raises(ValueError, match="finite"):
        row_weights(torch.tensor([[1.0, torch.inf]]), torch.tensor([0.0]), Config())
