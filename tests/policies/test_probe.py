"""The probe of a policy's model: what it lets through, what it refuses and how, and that it leaves no trace."""

import pytest
import torch
import transformers

from grao_ref import finetune
from grao_ref.policies import outputs, probe, sampler
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import load_language_model
from grao_ref.policies.lora import add_lora
from grao_ref.rewards.features import require_features
from tests.policies.architectures import CONFIGS, random_model
from tests.policies.families import tiny_model
from tests.policies.table_of_models import TRAINS, row_of

recent = pytest.mark.skipif(
    tuple(map(int, transformers.__version__.split(".")[:2])) < (5, 23),
    reason="transformers 5.10 can't go on from a recurrent state with several tokens; those between were not tried",
)
NOT_THE_MODEL_S = "gives log-probabilities that are not the model's, off by"


def policy_of(model, **options) -> CausalLMPolicy:
    return CausalLMPolicy(model, eos_ids=[1], max_completion_length=4, **options)


@pytest.mark.parametrize("family", ["llama", "jamba", "falcon_h1"])
def test_models_whose_numbers_are_their_own_are_taken(family):
    row, policy = row_of(family)
    assert (row.result, row.why[:4]) == (TRAINS, "" if family == "llama" else "each")
    assert policy.scorer.shares_prompts == (family == "llama")


def repeated_as_attention_is(monkeypatch):
    """What hybrids were done by before: they inherit the method from attention, and their state stays as it was."""
    monkeypatch.setattr(sampler, "repeat_with_room", lambda cache, prompts, length: cache.batch_repeat_interleave(2))


def every_second_answer_s_state(monkeypatch):
    """The states of two prompts, one behind the other, instead of each one's group side by side."""
    whole = sampler.repeat_with_room
    turned = lambda cache, prompts, length: whole(cache, torch.tensor([0, 1, 0, 1]), length)  # noqa: E731
    monkeypatch.setattr(sampler, "repeat_with_room", turned)


def other_rows_stay(monkeypatch):
    """When rows have ended, the first ones are kept instead of those that go on."""
    kept = transformers.DynamicCache.reorder_cache
    monkeypatch.setattr(
        transformers.DynamicCache, "reorder_cache", lambda self, rows: kept(self, torch.arange(len(rows)))
    )


def padding_is_read(monkeypatch):
    """The prefill has no mask."""
    monkeypatch.setattr(sampler, "_without_idle_mask", lambda inputs: {"input_ids": inputs["input_ids"]})


def positions_count_padding(monkeypatch):
    whole = sampler.with_positions
    wrong = lambda ids, attended: whole(ids, attended) | {"position_ids": torch.arange(ids.shape[1])[None]}  # noqa: E731
    monkeypatch.setattr(sampler, "with_positions", wrong)


SAMPLING_BUGS = (every_second_answer_s_state, other_rows_stay, padding_is_read)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("family", "plant"),
    [
        *((family, plant) for family in ("llama", "jamba") for plant in (*SAMPLING_BUGS, None)),
        ("llama", positions_count_padding),
        ("llama", repeated_as_attention_is),
        ("falcon_h1", repeated_as_attention_is),
    ],
)
def test_a_sampler_that_computes_something_else_is_refused(family, plant, dtype, monkeypatch):
    model = tiny_model(family).to(dtype)
    if plant is None or (plant is repeated_as_attention_is and family == "llama"):  # controls: nothing is wrong
        policy_of(model)
        return
    plant(monkeypatch)
    with pytest.raises(ValueError, match=f"architecture {family} can't be trained here: {probe.SAMPLING}") as refusal:
        policy_of(model)
    assert "\n" not in str(refusal.value)


def test_the_state_of_a_recurrent_layer_alone_is_seen(monkeypatch):
    """The planted bug that attention can't show: keys and values are repeated by prompt, states are not."""
    kind = transformers.cache_utils.LinearAttentionLayer
    states = kind.reorder_cache
    monkeypatch.setattr(kind, "reorder_cache", lambda self, rows: states(self, torch.zeros_like(rows)))
    with pytest.raises(ValueError, match=f"jamba .* {probe.SAMPLING} {NOT_THE_MODEL_S}"):
        policy_of(tiny_model("jamba"))
    policy_of(tiny_model("llama"))  # control: it has no such layers


@pytest.mark.parametrize("family", ["llama", "jamba"])
def test_a_scorer_that_computes_something_else_is_refused(family, monkeypatch):
    counted = outputs._counted
    monkeypatch.setattr(
        outputs, "_counted", lambda *given: counted(*given[:4], *(at - 1 for at in given[4:]))
    )  # an output too early, where a row has its own prompt
    with pytest.raises(ValueError, match=f"{family} .* {probe.SCORING} {NOT_THE_MODEL_S}"):
        policy_of(tiny_model(family))


def test_where_prompts_can_t_be_shared_in_scoring_they_are_not(monkeypatch):
    assert policy_of(tiny_model("llama")).scorer.shares_prompts
    assert not policy_of(tiny_model("jamba")).scorer.shares_prompts
    shared = outputs._with_shared_prompts
    monkeypatch.setattr(
        outputs,
        "_with_shared_prompts",
        lambda run, model, left, *rest: shared(run, model, type(left)(left.ids.flip(0), left.mask), *rest),
    )
    assert not policy_of(tiny_model("llama")).scorer.shares_prompts


@pytest.mark.parametrize("name", CONFIGS)
def test_the_five_architectures_of_the_other_tests_pass_and_share_prompts(name):
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        assert policy_of(random_model(name).to(dtype)).scorer.shares_prompts


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_pass_that_trains_is_tried_as_well(checkpointing):
    model, modes = tiny_model("llama"), []
    model.model.layers[0].register_forward_pre_hook(lambda *_: modes.append((model.training, torch.is_grad_enabled())))
    policy_of(model, checkpointing=checkpointing)
    assert ((True, True) in modes) == checkpointing
    assert not model.training
    assert len(modes) <= 20  # a forward pass each: what a large model needs for it is a second


def test_a_model_s_own_error_is_one_line_and_memory_is_not_its_fault(monkeypatch):
    model = tiny_model("llama")

    def fail(error):
        def forward(*args, **kwargs):
            raise error

        monkeypatch.setattr(model, "forward", forward)
        policy_of(model)

    with pytest.raises(
        ValueError,
        match=r"^models of the architecture llama can't be trained here: a forward pass "
        r"fails \(no shape\)$",
    ):
        fail(RuntimeError("no shape\nand a long story"))
    with pytest.raises(torch.OutOfMemoryError):
        fail(torch.OutOfMemoryError("full"))


def test_a_model_whose_outputs_are_nan_is_refused():
    model = tiny_model("llama")
    torch.nn.init.constant_(model.lm_head.weight, float("nan"))
    with pytest.raises(ValueError, match=f"llama .* {probe.SCORING} {NOT_THE_MODEL_S} nan"):
        policy_of(model)


def traces(model):
    return (
        torch.get_rng_state().tolist(),
        {name: value.clone() for name, value in model.state_dict().items()},
        [weight.requires_grad for weight in model.parameters()],
        [module.training for module in model.modules()],
        [type(module) for module in model.modules()],
        model.config.to_dict(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.is_grad_enabled(),
    )


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("family", ["llama", "jamba"])
def test_no_trace_is_left(family, adapter, checkpointing):
    model = tiny_model(family)
    if adapter:
        pytest.importorskip("peft")
        add_lora(model, r=2, alpha=4, target_modules=["q_proj", "v_proj"])
    scorer = policy_of(model, checkpointing=checkpointing, lora_dropout=0.5 if adapter else 0.0).scorer
    torch.manual_seed(7)
    before = traces(model)
    again = probe.probed(scorer)  # a dropout of 0.5 would be refused
    assert again == scorer
    after = traces(model)
    assert all(torch.equal(value, after[1][name]) for name, value in before[1].items())
    assert before[:1] + before[2:] == after[:1] + after[2:]
    assert all(weight.grad is None for weight in model.parameters())


def test_finetune_refuses_a_user_s_own_model_before_the_first_step():
    rows = [{"prompt": "3 1 2", "completion": "1 2 3"}]
    _, words = load_language_model("tiny", device=torch.device("cpu"))
    with pytest.raises(ValueError, match="architecture mamba can't be trained here") as refusal:
        finetune(tiny_model("mamba"), words, rows, method="sft", max_steps=1)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("family", ["llama", pytest.param("falcon_h1", marks=recent)])
def test_a_reward_head_s_features_are_tried_too(family):
    require_features(tiny_model(family))


@pytest.mark.parametrize("family", ["mamba", "jamba"])  # Jamba's recurrent layers can't go on with several tokens
def test_features_that_are_others_in_a_batch_are_refused(family):
    with pytest.raises(
        ValueError, match=f"another architecture than {family}: features of several answers in one pass"
    ):
        require_features(tiny_model(family))
