"""Adapters that are there already: where they and their bases are found, what is put on a model, what is merged."""

import json
import warnings

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref.policies.adapters import adapter_settings, base_of, unwrapped, with_adapter
from grao_ref.policies.build import policy_of
from grao_ref.policies.embedded import tiny_folder, tiny_tokenizer
from grao_ref.policies.load import load_language_model
from grao_ref.settings.config import Config
from tests.policies.test_causal_lm import prompts_of, sampled

peft = pytest.importorskip("peft", reason="needs the extra [peft]")
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # peft asks for it
CPU = torch.device("cpu")
IDS = torch.arange(10)[None]
KINDS = {
    "lora": lambda: peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_dropout=0.1, target_modules="all-linear"),
    "dora": lambda: peft.LoraConfig(task_type="CAUSAL_LM", r=4, use_dora=True),
    "rslora": lambda: peft.LoraConfig(task_type="CAUSAL_LM", r=4, use_rslora=True),
    "a head of its own": lambda: peft.LoraConfig(task_type="CAUSAL_LM", r=4, modules_to_save=["lm_head"]),
    "tokens": lambda: peft.LoraConfig(task_type="CAUSAL_LM", r=4, trainable_token_indices=[1, 2]),
    "biases": lambda: peft.LoraConfig(task_type="CAUSAL_LM", r=4, bias="lora_only"),
    "ia3": lambda: peft.IA3Config(task_type="CAUSAL_LM"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def base():
    return AutoModelForCausalLM.from_pretrained(tiny_folder(), dtype=torch.float32)


def saved_adapter(folder, kind="lora", **changes):
    """An adapter with random weights on the embedded model, as peft and TRL save it; its logits."""
    torch.manual_seed(0)
    model = peft.get_peft_model(base(), KINDS[kind]())
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    rewrite(folder, **changes)
    return model.eval()(IDS).logits.detach()


def rewrite(folder, **changes):
    """Other entries in the adapter_config.json."""
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@every_kind
def test_an_adapter_of_peft_s_is_put_on_its_base_or_merged_into_it(kind, tmp_path):
    expected = saved_adapter(tmp_path, kind)
    model = with_adapter(base(), str(tmp_path)).eval()
    torch.testing.assert_close(model(IDS).logits, expected, rtol=0, atol=0)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained
    assert not any(name in dict(base().named_parameters()) for name in trained)
    whole = with_adapter(base(), str(tmp_path), merge=True).eval()
    torch.testing.assert_close(whole(IDS).logits, expected, rtol=1e-4, atol=1e-4)
    assert (base()(IDS).logits - expected).abs().max() > 0.01  # control
    assert not getattr(whole, "peft_config", None)
    assert all(parameter.requires_grad for parameter in whole.parameters())
    assert set(whole.state_dict()) == set(base().state_dict())


@every_kind
def test_whatever_an_adapter_trains_is_trained_further_saved_loaded_and_kept_for_the_reference_model(kind, tmp_path):
    saved_adapter(tmp_path / "first", kind)
    prompts = prompts_of([3, 5, 1])
    prompts.ids.remainder_(10)

    def loaded():
        model, tokenizer = load_language_model(str(tmp_path / "first"), device=CPU)
        return policy_of(model, tokenizer, Config())

    policy = loaded()
    frozen, samples = policy.frozen(), sampled(policy, prompts)

    def scores(of):
        return of.logprobs(prompts, samples.ids, samples.mask, temperature=1.0)

    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    scores(policy).sum().backward()
    optimizer.step()
    torch.testing.assert_close(scores(frozen), samples.logprobs, rtol=1e-5, atol=1e-5)
    assert (scores(policy) - samples.logprobs).abs().max() > 1e-3  # control: it has moved
    policy.save(tmp_path / "second")
    again = loaded()
    torch.testing.assert_close(scores(again), samples.logprobs, rtol=1e-5, atol=1e-5)
    again.load(tmp_path / "second")
    assert torch.equal(scores(again), scores(policy))
    anew, tokenizer = load_language_model(str(tmp_path / "second"), device=CPU)
    assert torch.equal(scores(policy_of(anew, tokenizer, Config())), scores(policy))


def test_the_base_is_found_by_a_short_name_a_moved_package_and_a_relative_folder_of_any_folder_above(
    tmp_path, monkeypatch
):
    folder = tmp_path / "runs" / "one" / "model"
    expected = saved_adapter(folder)
    base().save_pretrained(tmp_path / "bases" / "small")
    tiny_tokenizer().save_pretrained(tmp_path / "bases" / "small")
    monkeypatch.chdir("/")
    for named, found in (
        ("tiny", "tiny"),
        ("/gone/site-packages/grao_ref/policies/tiny", "tiny"),
        ("/gone/.cache/grao_ref/SmolLM2-135M-Instruct", "smollm2"),
        ("bases/small", str(tmp_path / "bases" / "small")),
        ("../one/../../bases/small", str(tmp_path / "runs" / "one" / "../one/../../bases/small")),
        (str(tmp_path / "bases" / "small"), str(tmp_path / "bases" / "small")),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
    ):
        rewrite(folder, base_model_name_or_path=named)
        assert base_of(str(folder), adapter_settings(str(folder))) == found
        if found in ("tiny", str(tmp_path / "bases" / "small")):
            model, tokenizer = load_language_model(str(folder), device=CPU)
            torch.testing.assert_close(model(IDS).logits, expected, rtol=0, atol=0)
            assert tokenizer("14=")["input_ids"] == [1, 4, 10]  # the base's: the adapter has none
            assert model.peft_config["default"].base_model_name_or_path == model.name_or_path
    monkeypatch.chdir(tmp_path)
    rewrite(folder, base_model_name_or_path="bases/small")
    assert base_of(str(folder), adapter_settings(str(folder))) == "bases/small"


def test_an_adapter_s_own_tokenizer_is_used(tmp_path):
    saved_adapter(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "its own"
    tokenizer.save_pretrained(tmp_path)
    assert load_language_model(str(tmp_path), device=CPU)[1].chat_template == "its own"
    assert AutoTokenizer.from_pretrained(tiny_folder()).chat_template != "its own"  # control


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_model_name_or_path": None}, "names no base_model_name_or_path: add it"),
        ({"base_model_name_or_path": "/gone/model"}, "the base of the adapter .* is not there: .* names /gone/model"),
        ({"base_model_name_or_path": "./gone"}, r"is not there: .* names \./gone"),
        ({"task_type": "SEQ_CLS"}, "is an adapter for the task SEQ_CLS"),
        ({"peft_type": "NOTHING"}, "can't be put on its base .*NOTHING"),
        ({"r": 3}, "can't be put on its base .*size mismatch"),
        ({"target_modules": ["q_proj"]}, "can't be put on its base .* tensors are in one of the two alone, such as"),
        ({"target_modules": ["q_prj"]}, "can't be put on its base .*q_prj"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_one_line(changes, words, tmp_path):
    saved_adapter(tmp_path, **changes)
    with pytest.raises(ValueError, match=words) as caught:
        load_language_model(str(tmp_path), device=CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("merge", [False, True])
def test_an_adapter_that_is_no_part_of_the_layers_is_refused_by_its_kind(merge, tmp_path):
    peft.get_peft_model(base(), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)).save_pretrained(
        tmp_path
    )
    with pytest.raises(ValueError, match=r"can't be put on its base .*: PROMPT_TUNING is no part of its layers"):
        load_language_model(str(tmp_path), device=CPU, merge_adapter=merge)


@pytest.mark.parametrize("content", ["{", "[]", "\ud800"])
def test_a_broken_adapter_config_is_one_line(content, tmp_path):
    (tmp_path / "adapter_config.json").write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ValueError, match=r"is an adapter whose adapter_config\.json"):
        load_language_model(str(tmp_path), device=CPU)


def test_an_adapter_without_weights_or_without_peft_is_one_line(tmp_path, monkeypatch):
    saved_adapter(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(ValueError, match="can't be put on its base"):
        load_language_model(str(tmp_path), device=CPU)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"is an adapter, which needs peft: pip install 'grao_ref\[peft\]'"):
        load_language_model(str(tmp_path), device=CPU)


def test_only_an_adapter_can_be_merged():
    with pytest.raises(ValueError, match=r"merge_adapter is for an adapter, and tiny is none"):
        load_language_model("tiny", device=CPU, merge_adapter=True)


def test_a_user_s_peft_model_is_trained_in_its_place(tmp_path):
    model = peft.get_peft_model(base(), KINDS["lora"]())
    policy = policy_of(model, tiny_tokenizer(), Config())
    assert unwrapped(base()).__class__ is type(policy.model)
    own = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert {id(p) for p in policy.parameters() if any(p is q for q in model.parameters())} == own
    policy.save(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == str(tiny_folder())
