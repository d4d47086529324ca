"""Products by oneDNN are torch's own up to float order, and are used where they pay: in float32, for large layers."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from grao_ref.policies import products
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.lora import add_lora
from grao_ref.policies.modes import as_it_was, get_ready
from grao_ref.policies.products import Linear, has_slow_products, linear
from grao_ref.records import Tokens
from tests.policies.architectures import EOS, TOKENS
from tests.policies.test_causal_lm import prompts_of
from tests.policies.test_scoring import LENGTHS, answers_of, every_model, gradients, model_of

pytestmark = pytest.mark.skipif(not products._multiplies(), reason="this torch has no such product of oneDNN's")
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


@pytest.fixture
def calls(monkeypatch):
    """As on a processor where it pays; the shapes of the products that oneDNN made."""
    made, inner = [], products._product
    monkeypatch.setattr(products, "has_slow_products", lambda: True)
    monkeypatch.setattr(products, "_product", lambda *of: made.append(tuple(of[0].shape)) or inner(*of))
    return made


@pytest.fixture
def always(calls, monkeypatch):
    """The same for layers and products of every size."""
    monkeypatch.setattr(products, "PAYS", 0)
    monkeypatch.setattr(products, "LARGE", 0)
    return calls


def layer(*shape: int, bias: bool = True, seed: int = 0):
    torch.manual_seed(seed)
    x, weight = torch.randn(*shape[:-1], requires_grad=True), torch.randn(shape[-1], shape[-2], requires_grad=True)
    return (x, weight, torch.randn(shape[-1], requires_grad=True)) if bias else (x, weight)


def both(*of, upstream=None):
    """Values and gradients of ours and of torch's."""
    found = []
    for multiply in (linear, torch.nn.functional.linear):
        y = multiply(*of)
        torch.manual_seed(9)
        inputs = [each for each in of if each.requires_grad]
        found.append((y.detach(), *torch.autograd.grad((y * torch.randn(y.shape)).sum(), inputs)))
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7, 256, 300), (3, 5, 300, 260), (1, 1, 512, 2100), (2, 3, 4, 257, 259)])
def test_values_and_gradients_are_torch_s(always, shape, bias):
    ours, theirs = both(*layer(*shape, bias=bias))
    assert len(always) == 3
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_control_a_product_that_is_off_by_a_thousandth_is_seen(always, monkeypatch):
    inner = products._product
    monkeypatch.setattr(products, "_product", lambda *of: inner(*of) * 1.001)
    ours, theirs = both(*layer(7, 256, 300, bias=False))  # the bias's gradient is a sum, not a product
    for one, other in zip(ours, theirs, strict=True):
        with pytest.raises(AssertionError):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", range(3))
def test_what_needs_no_gradient_costs_no_product(always, frozen):
    of = layer(7, 256, 300)
    of[frozen].requires_grad_(False)
    ours, theirs = both(*of)
    assert len(always) == (3 if frozen == 2 else 2)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_second_derivative_is_refused_rather_than_wrong(always):
    x, weight = layer(3, 4, 5, bias=False)
    (first,) = torch.autograd.grad(linear(x, weight).pow(2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_what_does_not_pay_is_left_to_torch(calls):
    x, weight = torch.randn(64, 256), torch.randn(256, 256)
    linear(x, weight)
    assert calls  # control: this one pays
    calls.clear()
    linear(x[:1], weight)  # 65,536 multiplications
    linear(torch.randn(2**14, 128), torch.randn(128, 128))  # a small layer
    linear(x.double(), weight.double())
    linear(x.bfloat16(), weight.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight).dtype == torch.bfloat16
    linear(torch.randn(0, 256), weight)
    linear(x.to("meta"), weight.to("meta"))
    assert not calls


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("slices", [7, 64, 4096])
def test_products_of_the_head_are_torch_s(always, monkeypatch, dtype, slices):
    monkeypatch.setattr(products, "SLICE", slices)
    torch.manual_seed(0)
    rows, weight, columns = torch.randn(9, 70, dtype=dtype), torch.randn(70, 40, dtype=dtype), torch.randn(9, 40)
    torch.testing.assert_close(products.times(rows, weight), rows @ weight, **CLOSE)
    total = torch.ones(70, 40, dtype=dtype)
    products.add_outer(total, rows, columns.to(dtype))
    torch.testing.assert_close(total, 1 + rows.T @ columns.to(dtype), **CLOSE)
    assert bool(always) == (dtype == torch.float32)


@every_model
def test_every_architecture_is_scored_and_trained_as_with_torch_s_products(name, always):
    model = model_of(name).float()
    plain = CausalLMPolicy(copy.deepcopy(model), eos_ids=EOS, max_completion_length=9)
    products.use_torch_s_products(plain.model)
    policy, given = CausalLMPolicy(model, eos_ids=EOS, max_completion_length=9), (prompts_of(LENGTHS), *answers_of())
    always.clear()
    ours = policy.logprobs(*given, temperature=0.8)
    of_ours = gradients(policy, ours)
    assert always
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "has_slow_products", lambda: False)
        theirs = plain.logprobs(*given, temperature=0.8)
        of_theirs = gradients(plain, theirs)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert (of_ours - of_theirs).norm() <= 1e-5 * of_theirs.norm()


def large() -> AutoModelForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
    return AutoModelForCausalLM.from_config(LlamaConfig(**sizes, max_position_embeddings=64, **TOKENS))


def sampled(model) -> torch.Tensor:
    policy = CausalLMPolicy(model, eos_ids=[], max_completion_length=6)
    prompts = Tokens(torch.randint(3, 24, (4, 5), generator=torch.Generator().manual_seed(0)), torch.ones(4, 5) > 0)
    return policy.sample(prompts, 8, temperature=1.0, rng=torch.Generator().manual_seed(1)).ids


def test_a_large_model_decodes_the_same_tokens_with_them(calls, monkeypatch):
    model = large()
    ours = sampled(model)
    assert len(calls) > 50
    monkeypatch.setattr(products, "has_slow_products", lambda: False)
    assert torch.equal(sampled(model), ours)


def test_a_model_gets_its_own_layers_back_and_keeps_its_names(calls):
    model = large()
    before = [type(module) for module in model.modules()], list(model.state_dict())
    with as_it_was(model):
        get_ready(model, checkpointing=False)
        assert products.has_faster_products(model)
        assert products.has_faster_products(copy.deepcopy(model))
        assert list(model.state_dict()) == before[1]
        with as_it_was(model):
            get_ready(model, checkpointing=False)
        assert products.has_faster_products(model)  # the outer block's
    assert ([type(module) for module in model.modules()], list(model.state_dict())) == before


def test_an_adapter_on_such_layers_is_trained(calls):
    pytest.importorskip("peft")
    model = large()
    get_ready(model, checkpointing=True)
    add_lora(model, r=2, alpha=4)
    assert any(type(module) is Linear for module in model.modules())
    calls.clear()
    model(torch.arange(40).view(4, 10) % 24).logits.sum().backward()
    assert calls
    assert any(p.grad is not None and p.grad.any() for n, p in model.named_parameters() if "lora_B" in n)


@pytest.fixture
def processor(monkeypatch, tmp_path):
    """One that gains by it, to be changed; the decision is made anew."""
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(products, "_is_amd", lambda: True)
    has_slow_products.cache_clear()
    yield monkeypatch
    has_slow_products.cache_clear()


def test_it_is_for_amd_with_avx_512_where_torch_multiplies_by_mkl(processor):
    assert has_slow_products()
    changes = [
        (torch.backends.mkl, "is_available", lambda: False),
        (torch.backends.mkldnn, "is_available", lambda: False),
        (torch.backends.cpu, "get_cpu_capability", lambda: "AVX2"),
        (products, "_is_amd", lambda: False),
        (products, "_multiplies", lambda: False),
    ]
    for change in changes:
        has_slow_products.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(*change)
            assert not has_slow_products(), change


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, TypeError])
def test_a_torch_that_has_it_no_more_multiplies_as_it_does(processor, error):
    def gone(*of):
        raise error("no such operator")

    processor.setattr(products, "_product", gone)
    assert not has_slow_products()
    model = large()
    get_ready(model, checkpointing=False)
    assert not products.has_faster_products(model)


@pytest.mark.parametrize(("text", "expected"), [("AuthenticAMD", True), ("GenuineIntel", False)])
def test_the_maker_is_read_from_the_system(monkeypatch, tmp_path, text, expected):
    about = tmp_path / "cpuinfo"
    about.write_text(f"processor : 0\nvendor_id : {text}\n")
    monkeypatch.setattr(products, "Path", lambda name: about)
    assert products._is_amd() is expected
    about.unlink()
    monkeypatch.setattr(products.platform, "processor", lambda: f"AMD64 Family 26, {text}")
    assert products._is_amd() is expected
