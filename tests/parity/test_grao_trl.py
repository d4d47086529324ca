"""GRAOTrainer has the gradients of this package's own update, on the batches that it sampled itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, LlamaForCausalLM
from trl import GRPOConfig, GRPOTrainer

from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.evaluate import main as evaluate
from grao_ref.integrations.reference_rows import text_of, with_references
from grao_ref.integrations.trl import GRAOTrainer
from grao_ref.integrations.trl_checks import require_positions, require_rows, require_trl
from grao_ref.settings.config import Config
from tests.language import save_model, save_rows
from tests.parity.grao_recorded import COMMON, Recording, batch_of, errors, fresh, make, policy_of, replayed, rows
from tests.parity.tiny import FOREIGN_WARNINGS
from tests.processes import ROOT, together

pytestmark = [FOREIGN_WARNINGS, pytest.mark.filterwarnings("ignore:All reward functions returned None")]
CLOSE, DIFFERENT = 1e-5, 1e-2
MODULE = "tests.parity.grao_recorded"
CASES = {
    "repaired": {},
    "printed": {"imitate_only_when_ahead": False},
    "outputs": {"pool": "outputs", "imitate_only_when_ahead": False},
    "one micro-batch": {"gradient_accumulation_steps": 1},
    "conversations": {"chat": True},
    "LoRA": {"lora": True},
    "checkpointing": {"gradient_checkpointing": True},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("grao_trl")
    save_model(folder)
    return folder


def trained(folder, **settings) -> tuple[Recording, dict]:
    trainer = make(folder, **settings)
    start = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    return trainer, start


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_this_package_s_update(folder, case):
    settings = CASES[case]
    trainer, start = trained(folder, **settings)
    lora = settings.get("lora", False)
    assert any(batch["rewards"].isnan().any() for batch in trainer.batches)  # some could not be scored
    ours = replayed(fresh(folder, lora, start), [trainer.batches], settings)
    assert max(errors(trainer.gradients, ours)) < CLOSE
    control = replayed(fresh(folder, lora, start), [trainer.batches], settings | {"alignment_coef": 0.3})
    assert max(errors(trainer.gradients, control)) > DIFFERENT
    logged = [row for row in trainer.state.log_history if "objective" in row]
    assert {"reference/reward", "reference/weight", "reference/logp_per_token", "entropy", "calls"} <= set(logged[0])
    for row, batch in zip(logged, trainer.batches, strict=True):
        assert row["loss"] == pytest.approx(-row["objective"], rel=1e-5)
        assert row["reference/reward"] == pytest.approx(batch["of_references"].nanmean().item())
        assert row["calls"] == 1  # those of references are not counted
    policy = policy_of(fresh(folder, lora, start))
    first = batch_of([trainer.batches], 0, Config())
    J_y = policy.logprobs(first.prompts, first.references.ids[:, None], first.references.mask[:, None], temperature=1.0)
    expected = mean_log_likelihood(J_y[:, 0], first.references.mask).mean().item()
    assert logged[0]["reference/logp_per_token"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("case", ["printed", "LoRA"])
def test_two_processes_have_the_gradients_of_one_with_all_prompts(folder, case):
    settings = CASES[case]
    ended = together(MODULE, str(folder), json.dumps(settings))
    assert [process.returncode for process in ended] == [0, 0], [process.stderr for process in ended]
    found = [torch.load(folder / f"recorded{rank}.pt") for rank in range(2)]
    ours = replayed(fresh(folder, "lora" in settings, found[0]["start"]), [each["batches"] for each in found], settings)
    assert max(errors(found[0]["gradients"], ours)) < CLOSE
    for one, other in zip(found[0]["gradients"], found[1]["gradients"], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(value, found[1]["end"][name]) for name, value in found[0]["end"].items())
    first = [each["batches"][0]["prompt_ids"][:1] for each in found]
    assert first[0].shape != first[1].shape or not torch.equal(*first)  # prompts of its own in each
    alone = replayed(
        fresh(folder, "lora" in settings, found[0]["start"]), [[half(b) for b in found[0]["batches"]]], settings
    )
    assert max(errors(found[0]["gradients"], alone)) > DIFFERENT  # the control: one process without the other


def half(batch: dict) -> dict:
    """A process's own records; the rewards, which are gathered, of its prompts alone."""
    prompts = len(batch["of_references"]) // 2
    return batch | {name: batch[name][:prompts] for name in ("rewards", "of_references")}


def test_a_resumed_training_is_the_one_that_was_not_interrupted(folder):
    saving = {"save_strategy": "steps", "save_steps": 1, "max_steps": 2}
    whole = make(folder, **saving)
    whole.train()
    resumed = make(folder, **saving)
    resumed.train(resume_from_checkpoint=str(folder / "out" / "checkpoint-1"))
    assert len(resumed.batches) == 1
    state = whole.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in resumed.model.state_dict().items())
    other = make(folder, **saving, seed=7)  # the control
    other.train()
    assert not all(torch.equal(value, state[name]) for name, value in other.model.state_dict().items())


class Engine:
    """Stands in for vLLM: the trained model samples, with log-probabilities that are off by `shift`."""

    def __init__(self, trainer, shift: float):
        self.trainer, self.shift, self.synced = trainer, shift, 0

    def sync_weights(self):
        self.synced += 1

    def generate(self, prompts, images, num_generations, profiler):
        trainer = self.trainer
        trainer.use_vllm = False
        ids, _ = trainer._generate_single_turn(prompts, images, {}, num_generations)
        trainer.use_vllm = True
        return (
            prompts,
            ids,
            [
                [[self.logprob(prompt, row, t)] for t in range(len(row))]
                for prompt, row in zip(prompts, ids, strict=True)
            ],
            None,
        )

    @torch.no_grad()
    def logprob(self, prompt, row, t):
        logits = self.trainer.model(torch.tensor([prompt + row[:t]])).logits[0, -1]
        return (logits.log_softmax(-1)[row[t]] - self.shift).item()


@pytest.mark.parametrize("mode", ["token_truncate", "sequence_truncate"])
def test_vllm_s_mismatch_is_corrected_on_samples_and_is_1_on_references(folder, mode):
    """The engine gives every token e^−0.05 of its probability: the ratio is e^0.05 for each token of an answer."""
    settings = {"vllm_importance_sampling_mode": mode, "vllm_importance_sampling_clip_max": 10.0, "max_steps": 1}
    trainer = make(folder, **settings)
    trainer.use_vllm, trainer.vllm_generation, trainer._last_loaded_step = True, Engine(trainer, 0.05), -1
    start = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    (batch,) = trainer.batches
    ratio, y = batch["importance_sampling_ratio"], batch["is_reference"]
    assert trainer.vllm_generation.synced == 1
    assert (ratio[y] == 1).all()
    lengths = batch["completion_mask"].sum(-1, keepdim=True)
    per_token = mode == "token_truncate"
    expected = torch.full_like(ratio, 0.05).exp() if per_token else (0.05 * lengths.float()).exp()
    where = batch["completion_mask"].bool() if per_token else torch.ones_like(ratio, dtype=torch.bool)
    torch.testing.assert_close(ratio[~y][where[~y]], expected[~y][where[~y]], rtol=1e-4, atol=1e-4)
    scaled = {name: value.clone() for name, value in batch.items()}
    ours = replayed(fresh(folder, False, start), [[scaled]], settings)
    assert max(errors(trainer.gradients, ours)) > DIFFERENT  # uncorrected
    corrected = replayed(fresh(folder, False, start), [[scaled]], settings, ratio=ratio[~y])
    assert max(errors(trainer.gradients, corrected)) < CLOSE


REFUSED = {
    "num_iterations": 2, "beta": 0.1, "loss_type": "grpo", "epsilon": 0.1, "mask_truncated_completions": True,
    "scale_rewards": "none", "temperature": 0.7, "top_p": 0.9, "entropy_coef": 0.1, "remove_unused_columns": True,
    "importance_sampling_level": "sequence", "method": "grpo", "alignment_coef": -1.0,
    "ablate": "exploration,imitation,alignment",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_settings_of_another_objective_are_refused_by_name(folder, name):
    with pytest.raises(ValueError, match=name) as caught:
        make(folder, **{name: REFUSED[name]})
    assert "\n" not in str(caught.value)


def test_batches_that_tear_groups_or_steps_are_refused(folder):
    with pytest.raises(
        ValueError, match=r"per_device_train_batch_size \(6\) must be a multiple of num_generations \(4\)"
    ):
        make(folder, per_device_train_batch_size=6)
    with pytest.raises(ValueError, match=r"steps_per_generation \(4\) must be gradient_accumulation_steps \(2\)"):
        make(folder, steps_per_generation=4)
    with pytest.raises(ValueError, match="args must be a GRAOConfig, got GRPOConfig"):
        GRAOTrainer(None, None, GRPOConfig("out", **{n: v for n, v in COMMON.items() if n != "method"}))


def test_samples_at_another_temperature_are_asked_for_by_generation_kwargs(folder):
    trainer = make(folder, generation_kwargs={"temperature": 0.7})
    assert trainer.generation_config.temperature == 0.7
    assert trainer.temperature == 1.0


def test_another_trl_is_refused_by_the_method_that_differs():
    class Other(GRPOTrainer):
        def _compute_loss(self, model, batch):
            """With another argument."""

    with pytest.raises(
        ImportError, match=r"1.16's _compute_loss\(model, inputs\), and this TRL has Other._compute_loss"
    ):
        require_trl(Other)
    require_trl(GRPOTrainer)


@pytest.mark.parametrize("name", ["_compute_loss", "_calculate_rewards"])
def test_a_trainer_is_not_made_where_what_it_overrides_has_another_name(name, monkeypatch):
    monkeypatch.setattr(GRPOTrainer, f"{name}_renamed", getattr(GRPOTrainer, name), raising=False)
    monkeypatch.delattr(GRPOTrainer, name)
    with pytest.raises(ImportError, match=f"overrides TRL 1.16's {name}.* and this TRL has no {name}"):
        GRAOTrainer("no model is loaded")


def test_absolute_positions_behind_padding_are_refused(folder):
    torch.manual_seed(0)
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_positions=32, n_embd=16, n_layer=1, n_head=2))
    gpt2.lm_head.register_forward_hook(lambda module, inputs, logits: logits + 100)  # changes no probability
    with pytest.raises(ValueError, match="GPT2LMHeadModel reads a prompt otherwise behind padding"):
        require_positions(gpt2, 0)
    assert gpt2.training
    require_positions(make(folder).model, 0)
    require_positions(LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16), 0)


def test_a_reference_is_of_its_prompt_s_kind():
    chat = [{"role": "user", "content": "2+2?"}]
    assert text_of("4", "2+2=") == "4"
    assert text_of([{"role": "assistant", "content": "4"}], chat) == "4"
    answer = [{"role": "assistant", "content": "4"}]
    blocks = [{"role": "assistant", "content": [{"type": "text", "text": "4"}]}]
    calling = [{"role": "assistant", "content": "4", "tool_calls": [{"name": "add"}]}]
    for wrong, prompt in ((None, "2+2="), ("4", chat), (chat, chat), (answer, "2+2="), (blocks, chat), (calling, chat)):
        with pytest.raises(ValueError, match="a completion is the reference of its row"):
            text_of(wrong, prompt)


def test_rows_without_references_are_refused_before_the_model_answers():
    require_rows(Dataset.from_list(rows()))
    with pytest.raises(ValueError, match="rows have a column completion, the reference, and these have prompt, wanted"):
        require_rows(Dataset.from_list(rows()).remove_columns("completion"))
    with pytest.raises(ValueError, match="the column references has the name of what reward functions get"):
        require_rows(Dataset.from_list([row | {"references": "x"} for row in rows()]))
    with pytest.raises(ValueError, match="row 1: a completion is the reference"):
        require_rows(Dataset.from_list([*rows(1), {"prompt": "p", "completion": None, "wanted": "e"}]))


def test_references_that_end_otherwise_than_samples_are_refused(folder):
    trainer = make(folder)
    trainer.eos_token_ids = [7]
    trainer.generation_config.eos_token_id = [7]
    with pytest.raises(ValueError, match=r"references end with the token 1, and samples with one of \[7\]"):
        trainer.train()


def test_the_result_is_evaluated_as_any_model(folder, tmp_path):
    trainer = make(folder, max_steps=1)
    trainer.train()
    trainer.save_model(str(tmp_path / "model"))
    trainer.create_model_card("tiny")
    card = (folder / "out" / "README.md").read_text()
    assert "GRAO" in card
    assert "2508.07750" in card
    data = save_rows(tmp_path / "rows.jsonl", rows())
    words = ["--dataset-name", data, "--reward-funcs", "tests.language.share_of_wanted", "--max-eval-prompts", "2"]
    words += ["--base", str(folder), "--max-completion-length", "8"]
    assert evaluate([str(tmp_path / "model"), *words, "--output-dir", str(tmp_path / "found")]) == 0
    assert json.loads((tmp_path / "found" / "evaluation.json").read_text())


def test_the_example_trains_and_saves(folder, tmp_path, monkeypatch):
    data, out = save_rows(tmp_path / "rows.jsonl", rows()), tmp_path / "out"
    words = {**COMMON, "max_steps": 1, "model_name_or_path": folder, "dataset_name": data, "output_dir": out}
    words = {name: value for name, value in words.items() if value is not False} | {"bf16": False}
    flags = [str(word) for name, value in words.items() for word in (f"--{name}", value)]
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    command = [sys.executable, "tutorials/examples/grao_on_trl.py", *flags, "--imitate_only_when_ahead", "False"]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    assert (out / "model.safetensors").exists()


def test_a_row_s_weight_is_that_of_the_objective():
    """J = Σ w J for GRAO's own objective, with unscored answers: test_weights.py; here the rows behind the samples."""
    output = {name: torch.arange(8).view(4, 2) for name in ("prompt_ids", "completion_ids")}
    output |= {name: torch.ones(4, 2).long() for name in ("prompt_mask", "completion_mask")}
    found = with_references(output, [[5, 6, 7], [8]], torch.arange(4.0), torch.tensor([9.0, 10.0]), 3)
    assert found["weights"].tolist() == [0, 1, 2, 3, 9, 10]
    assert found["is_reference"].tolist() == [False] * 4 + [True] * 2
    assert found["completion_ids"].tolist() == [[0, 1, 3], [2, 3, 3], [4, 5, 3], [6, 7, 3], [5, 6, 7], [8, 3, 3]]
    assert found["completion_mask"].tolist() == [[1, 1, 0]] * 4 + [[1, 1, 1], [1, 0, 0]]
    assert found["prompt_ids"].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [0, 1], [4, 5]]
