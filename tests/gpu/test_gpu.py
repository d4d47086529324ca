"""The same tests on a GPU, skipped where there is none. `make gpu` runs these, and then a real training run."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref import finetune
from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.records import move
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.train import main
from grao_ref.training.checkpoint import load_checkpoint, save_checkpoint
from grao_ref.training.loop import proceed, start, train
from tests import cases
from tests.language import pairs, save_model, save_rows
from tests.policies.architectures import CONFIGS, EOS, random_model
from tests.sorting_twin import ANSWER, END, Sorting

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]
SMALL = Config(max_steps=4, num_generations=4, per_device_train_batch_size=16, device="cuda")


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_the_cpu_s_and_the_sampler_s(name):
    model = random_model(name).float()
    on_cpu = CausalLMPolicy(model, eos_ids=EOS, max_completion_length=12)
    prompts = Sorting(6).draw(torch.Generator().manual_seed(0)).prompts
    samples = on_cpu.sample(prompts, 4, temperature=1.0, rng=torch.Generator().manual_seed(0))
    there = on_cpu.logprobs(prompts, samples.ids, samples.mask, temperature=1.0).detach()
    on_gpu = CausalLMPolicy(model.to("cuda"), eos_ids=EOS, max_completion_length=12)
    device = torch.device("cuda")
    arguments = (move(prompts, device), samples.ids.cuda(), samples.mask.cuda())
    torch.testing.assert_close(on_gpu.logprobs(*arguments, temperature=1.0).cpu(), there, atol=2e-3, rtol=2e-3)
    rng = torch.Generator(device).manual_seed(0)
    own = on_gpu.sample(move(prompts, device), 4, temperature=1.0, rng=rng)
    scores = on_gpu.logprobs(move(prompts, device), own.ids, own.mask, temperature=1.0)
    torch.testing.assert_close(scores, own.logprobs, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("method", BUILT_IN)
def test_every_method_trains(method, bf16):
    experiment = prepare(replace(SMALL, method=method, bf16=bf16))
    assert experiment.policy.device.type == "cuda"
    reports = list(train(experiment.task, experiment.policy, experiment.config))
    assert all(report.means()["grad_norm"] > 0 for report in reports)
    assert all(p.dtype == torch.float32 for p in experiment.policy.parameters())


def test_the_task_is_learned_in_bfloat16():
    experiment = prepare(Config(max_steps=60, device="cuda", bf16=True))
    before = experiment.evaluation.score()
    for _ in train(experiment.task, experiment.policy, experiment.config):
        pass
    assert before < 0.45
    assert experiment.evaluation.score() > 0.85


def test_a_resumed_run_samples_what_the_whole_run_samples(tmp_path):
    config = SMALL
    first = prepare(config)
    training = start(first.policy, config)
    whole = []
    for report in proceed(first.task, training, config):
        whole.append(report.batch.samples.ids)
        if report.step == 2:
            save_checkpoint(tmp_path, training, config)
    second = prepare(config)
    resumed = start(second.policy, config)
    load_checkpoint(tmp_path / "checkpoint-2", resumed, config)
    again = [report.batch.samples.ids for report in proceed(second.task, resumed, config)]
    assert len(again) == 2
    assert torch.equal(again[0], whole[2])


def test_the_command_chooses_the_gpu_and_bfloat16_by_itself(tmp_path, capsys):
    model, data = save_model(tmp_path / "model"), save_rows(tmp_path / "pairs.jsonl", pairs())
    names = ["--model-name-or-path", model, "--dataset-name", data, "--output-dir", str(tmp_path / "run")]
    rest = ["--reward-funcs", "tests.language.share_of_wanted", "--max-steps", "2", "--max-eval-prompts", "4"]
    assert main([*names, *rest]) == 0
    assert "with bfloat16 autocast, on cuda" in capsys.readouterr().out


def test_sorting_is_scored_where_the_samples_are():
    task = Sorting(4)
    batch = move(task.draw(torch.Generator().manual_seed(0)), torch.device("cuda"))
    rewards = task.reward(batch, batch.references.ids[:, None], batch.references.mask[:, None])
    torch.testing.assert_close(rewards.values.cpu(), torch.full((4, 1, 1), 4 / ANSWER))
    assert END == 11


def attention_gradient(length: int) -> torch.Tensor:
    """∂/∂q of attention under a causal mask whose scores are all near −120, so that each row's log-sum-exp is too."""
    rng = torch.Generator("cuda").manual_seed(0)
    q, k, v = (torch.randn(1, 1, length, 64, generator=rng, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    q, k = q * 0.1, k * 0.1
    q[..., 0], k[..., 0] = 1.0, -120 * 64**0.5
    mask = torch.ones(length, length, dtype=torch.bool, device="cuda").tril()[None, None]
    q.requires_grad_()
    torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).sum().backward()
    return q.grad


def test_a_policy_s_attention_has_a_finite_gradient_at_every_length():
    """pytorch#196678: cuDNN's kernel gives NaN at 64 modulo 128 since torch 2.11."""
    CausalLMPolicy(random_model("llama").float().to("cuda"), eos_ids=EOS, max_completion_length=4)
    for length in (64, 100, 128, 192):
        assert attention_gradient(length).isfinite().all()


def chat_model(folder):
    """A model on the GPU whose turns end in another token than the tokenizer's, and its tokenizer."""
    name = cases.save_model(folder, cases.byte_tokenizer(template=cases.TURNS), eos=("<eos>", "<stop>"))
    return AutoModelForCausalLM.from_pretrained(name).to("cuda"), AutoTokenizer.from_pretrained(name)


def test_a_user_s_own_chat_model_learns_to_end_its_turns_where_it_is(tmp_path):
    model, tokenizer = chat_model(tmp_path)
    settings = {"per_device_train_batch_size": 16, "max_completion_length": 24, "learning_rate": 3e-3}
    *_, report = finetune(model, tokenizer, cases.chats(), method="sft", max_steps=60, **settings)
    assert report.means()["loss"] < 1.0  # 5.5 before
    assert {p.device.type for p in model.parameters()} == {"cuda"}
    group = {"reward_funcs": cases.as_long, "num_generations": 4, "temperature": 0.5}
    sampled = next(finetune(model, tokenizer, cases.chats(), **settings | group)).batch.samples
    stop = tokenizer.convert_tokens_to_ids("<stop>")
    assert sampled.ended.float().mean() > 0.9
    ends = [ids[mask][-1].item() for ids, mask in zip(sampled.ids[0], sampled.mask[0], strict=True)]
    assert stop in ends


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapter_is_trained_on_weights_of_either_type(tmp_path, dtype):
    model, tokenizer = chat_model(tmp_path)
    model = model.to(dtype)
    kept = {name: p.detach().clone() for name, p in model.named_parameters()}
    settings = {"per_device_train_batch_size": 8, "num_generations": 4, "max_completion_length": 8}
    lora = {"use_peft": True, "lora_r": 4, "lora_dropout": 0.1, "learning_rate": 1e-2}
    rows = cases.chats()
    *_, last = finetune(model, tokenizer, rows, reward_funcs=cases.as_long, max_steps=3, **settings, **lora)
    assert last.means()["grad_norm"] > 0
    now = dict(model.named_parameters())
    assert all(torch.equal(p, now.get(n, now.get(n.replace(".weight", ".base_layer.weight")))) for n, p in kept.items())
    moved = [p for name, p in now.items() if "lora_B" in name]
    assert moved
    assert any(p.abs().max() > 0 for p in moved)


def test_a_run_whose_adapter_drops_inputs_goes_on_as_the_whole_run_does(tmp_path):
    config = replace(SMALL, use_peft=True, lora_r=4, lora_dropout=0.5, bf16=False, learning_rate=1e-2)
    losses = []
    for stop in (False, True):
        torch.manual_seed(0)
        setup = prepare(config)
        training = start(setup.policy, config)
        if stop:
            torch.manual_seed(123)  # the checkpoint has to bring the random numbers back
            load_checkpoint(tmp_path / "checkpoint-2", training, config)
        for report in proceed(setup.task, training, config):
            losses.append((report.step, report.means()["loss"]))
            if not stop and report.step == 2:
                save_checkpoint(tmp_path, training, config)
    whole, resumed = dict(losses[:4]), dict(losses[4:])
    assert list(resumed) == [3, 4]
    assert resumed[3] == pytest.approx(whole[3], rel=1e-4)
