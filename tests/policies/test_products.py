"""Products by oneDNN are torch's own up to float order, and are used where they pay: in float32, for large layers."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, LlamaConfig

from grao_ref.policies import products
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import load_language_model
from grao_ref.policies.lora import add_lora, trained_tensors
from grao_ref.policies.modes import as_it_was, get_ready
from grao_ref.policies.products import has_slow_products, linear
from grao_ref.policies.scoring import is_head_alone
from grao_ref.records import Tokens
from grao_ref.rewards.model import ModelReward
from tests.policies.architectures import EOS, SIZES, TOKENS
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


@pytest.mark.parametrize("bias", [True, False])
def test_values_without_gradient_are_torch_s(always, bias):
    of = layer(7, 256, 300, bias=bias)
    with torch.no_grad():
        torch.testing.assert_close(linear(*of), torch.nn.functional.linear(*of), rtol=1e-4, atol=1e-4)
    assert len(always) == 1


def strided(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, with others between them in memory, as a leaf."""
    shape = (*tensor.shape, 2)
    wide = torch.full(shape, 9e9)
    wide[..., 0] = tensor.detach()
    return wide[..., 0].requires_grad_()


def test_numbers_that_do_not_follow_each_other_in_memory_are_the_same_numbers(always, monkeypatch):
    monkeypatch.setattr(products, "SLICE", 64)
    x, weight, bias = layer(5, 6, 256, 300)
    _, theirs = both(x, weight, bias)
    assert not strided(bias).is_contiguous()
    for of in ((strided(x), weight, bias), (x, strided(weight), bias), (x, weight, strided(bias))):
        torch.testing.assert_close(both(*of)[0], theirs, rtol=1e-4, atol=1e-4)
    turned = x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    y = linear(turned, weight, bias)
    for upstream in (torch.ones(()).expand(y.shape), torch.randn(6, 5, 300).transpose(0, 1)):
        ours = torch.autograd.grad(y, (turned, weight, bias), upstream, retain_graph=True)
        own = torch.autograd.grad(torch.nn.functional.linear(x, weight, bias), (x, weight, bias), upstream)
        torch.testing.assert_close(ours, own, rtol=1e-4, atol=1e-4)
    overlapping = torch.randn(300).unfold(0, 256, 1).requires_grad_()
    torch.testing.assert_close(*both(overlapping, weight, bias), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", range(3))
def test_what_needs_no_gradient_costs_no_product_and_keeps_nothing(always, frozen):
    of = layer(7, 256, 300)
    of[frozen].requires_grad_(False)
    ours, theirs = both(*of)
    assert len(always) == (3 if frozen == 2 else 2)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    kept = {}
    for name, multiply in (("ours", linear), ("torch", torch.nn.functional.linear)):
        found = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda each, found=found: found.append(each.numel()), lambda each: each
        ):
            multiply(*of)
        kept[name] = sorted(found)
    assert kept["ours"] == kept["torch"]


def test_what_torch_allows_to_be_changed_before_the_backward_pass_may_be_changed(always):
    x, weight, bias = layer(7, 256, 300)
    scaled = x * 1
    y = linear(scaled, weight.detach(), bias)
    scaled.mul_(2)
    y.sum().backward()
    torch.testing.assert_close(x.grad, weight.sum(0).expand(7, 256), rtol=1e-4, atol=1e-4)


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
    linear.__wrapped__(x, weight, torch.zeros(1))  # which torch repeats; the tests' own check of shapes forbids it
    linear(x, weight.as_subclass(Quantised))
    wide = torch.randn(4096, 256, requires_grad=True)
    linear(x[0].requires_grad_(), wide).sum().backward()
    torch.func.vmap(torch.func.grad(lambda row: linear(row[None].expand(64, 256), weight).sum()))(x[:3].detach())
    assert not calls


class Quantised(torch.Tensor):
    """Stands for weights whose class has products of its own."""


@pytest.mark.parametrize("shape", [(7, 255), (3, 7, 257)])
def test_shapes_that_do_not_fit_are_left_to_torch_for_its_error(always, shape):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        linear.__wrapped__(torch.randn(shape), torch.randn(300, 256))  # without the tests' own check of shapes


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
    with torch.no_grad():
        torch.testing.assert_close(policy.logprobs(*given, temperature=0.8), theirs, rtol=1e-4, atol=1e-4)


def large() -> AutoModelForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(**sizes, attention_bias=True, mlp_bias=True, max_position_embeddings=64, **TOKENS)
    model = AutoModelForCausalLM.from_config(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


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
        assert is_head_alone(model)  # also behind a layer of this class
        changed = products.with_faster_products(model)
        assert len(changed) == 15
        assert len(products.with_faster_products(copy.deepcopy(model))) == 15
        assert list(model.state_dict()) == before[1]
        with as_it_was(model):
            get_ready(model, checkpointing=False)
        assert products.with_faster_products(model) == changed  # the outer block's
    assert ([type(module) for module in model.modules()], list(model.state_dict())) == before


def test_a_layer_that_is_new_in_a_changed_model_is_put_back(calls):
    model = large()
    products.use_faster_products(model)
    model.lm_head = torch.nn.Linear(256, 24, bias=False)
    with as_it_was(model):
        get_ready(model, checkpointing=False)
    assert type(model.lm_head) is torch.nn.Linear
    assert len(products.with_faster_products(model)) == 14


def test_models_by_name_have_them(calls, tmp_path):
    model, tokenizer = load_language_model("tiny", device=torch.device("cpu"))
    assert len(products.with_faster_products(model)) == 22
    config = LlamaConfig(num_labels=1, **SIZES, **TOKENS)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert products.with_faster_products(ModelReward(str(tmp_path), device=torch.device("cpu")).model)


def test_an_adapter_on_such_layers_is_trained(calls):
    pytest.importorskip("peft")
    model = large()
    get_ready(model, checkpointing=True)
    add_lora(model, r=2, alpha=4)
    trained = trained_tensors(model)
    for tensor in trained:
        torch.nn.init.normal_(tensor, std=0.1)

    def gradient():
        model.zero_grad()
        model(torch.arange(40).view(4, 10) % 24).logits.logsumexp(-1).sum().backward()
        return torch.cat([tensor.grad.flatten() for tensor in trained])

    calls.clear()
    ours = gradient()
    assert calls
    products.use_torch_s_products(model)
    theirs = gradient()
    assert (ours - theirs).norm() <= 1e-5 * theirs.norm() > 0


@pytest.fixture
def processor(monkeypatch):
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
    assert not products.with_faster_products(model)


@pytest.mark.parametrize(("text", "expected"), [("AuthenticAMD", True), ("GenuineIntel", False)])
def test_the_maker_is_read_from_the_system(monkeypatch, tmp_path, text, expected):
    about = tmp_path / "cpuinfo"
    about.write_text(f"processor : 0\nvendor_id : {text}\n")
    monkeypatch.setattr(products, "Path", lambda name: about)
    assert products._is_amd() is expected
    about.unlink()
    monkeypatch.setattr(products.platform, "processor", lambda: f"AMD64 Family 26, {text}")
    assert products._is_amd() is expected
