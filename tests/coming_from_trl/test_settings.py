"""Settings that have TRL's name, and another meaning or another default. (The parity suite has TRL's column.)"""

import copy
from dataclasses import replace

import pytest
import torch

from grao_ref import finetune
from grao_ref.equations.divergence import k3
from grao_ref.methods.grpo import GRPO
from grao_ref.records import LogProbs
from grao_ref.runs.trackers import TRACKERS
from grao_ref.settings.presets import OWN, PRESETS
from tests.coming_from_trl.page import scripts_of, written_rows
from tests.coming_from_trl.ten import SMALL, anything, said, ten

means, row = scripts_of("The same name, another meaning"), scripts_of("The same name, another default")
instead = scripts_of("INSTEAD")
TINY = PRESETS["tiny"]


@means(
    "temperature",
    "divides the logits of what is sampled and of what is trained | of what is sampled; temper_likelihoods does both",
)
def test_the_temperature_is_the_samples_own(embedded, tokenizer):
    given = {"method": "grpo", "reward_funcs": anything, "temperature": 2.0, **SMALL}
    for both, divisor in ((False, 1.0), (True, 2.0)):
        (report,) = finetune(copy.deepcopy(embedded), tokenizer, ten("prompt"), **given, temper_likelihoods=both)
        prompts, samples = report.batch.prompts.ids, report.batch.samples
        ids = torch.cat([prompts[:, None].expand(-1, 4, -1), samples.ids], dim=-1).flatten(0, 1)
        with torch.no_grad():
            likely = torch.log_softmax(embedded(ids).logits / divisor, dim=-1)[:, prompts.shape[1] - 1 : -1]
        wanted = likely.gather(-1, samples.ids.flatten(0, 1)[..., None])[..., 0]
        mask = samples.mask.flatten(0, 1)
        torch.testing.assert_close(samples.logprobs.flatten(0, 1)[mask], wanted[mask], atol=1e-4, rtol=1e-4)


@means("max_steps, with num_iterations above 1", "counts updates | counts batches of samples")
@instead("num_ppo_epochs mu", "num_iterations")
def test_a_step_is_a_batch_of_samples_with_all_of_its_updates(model, tokenizer, monkeypatch):
    updates, sampled, step = [], [], torch.optim.AdamW.step

    def counted(optimizer, *args, **kwargs):
        updates.append(1)
        return step(optimizer, *args, **kwargs)

    def reward(completions, references=None, **columns):
        sampled.append(len(completions))
        return anything(completions)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    given = {"method": "grpo", "reward_funcs": reward, "num_iterations": 3, **SMALL, "max_steps": 2}
    assert [report.step for report in finetune(model, tokenizer, ten("prompt"), **given)] == [1, 2]
    assert len(updates) == 6
    assert sampled.count(8) == 2


@means(
    "beta in GRPO",
    "weighs the KL estimate times the ratio (use_bias_correction_kl: true) | weighs the KL estimate, without the ratio",
)
def test_the_kl_penalty_is_the_plain_estimate(model, tokenizer):
    (report,) = finetune(model, tokenizer, ten("prompt"), method="grpo", reward_funcs=anything, beta=0.4, **SMALL)
    batch, samples = report.batch, report.batch.samples
    moved = samples.logprobs + 0.1 * torch.arange(samples.logprobs.shape[-1]) * samples.mask  # ratios above 1
    config = replace(OWN, method="grpo", max_completion_length=8)
    with_it, without = (
        GRPO.objective(LogProbs(samples=moved), batch, replace(config, beta=beta)).objective for beta in (0.4, 0.0)
    )
    estimate = k3(moved, batch.reference_model.samples, samples.mask)

    def per_prompt(tokens):
        return (tokens.sum(-1) / samples.mask.sum(-1)).sum(-1)

    torch.testing.assert_close(without - with_it, 0.4 * per_prompt(estimate))
    corrected = estimate * (moved - samples.logprobs).exp()
    assert not torch.allclose(without - with_it, 0.4 * per_prompt(corrected), rtol=0.01)  # control: TRL's default


@means(
    "loss_type: nll in SFT",
    "every token of a batch weighs the same | every row weighs the same; [Add a method](add_a_method.md) has TRL's",
)
def test_every_row_weighs_the_same_in_sft(chat):
    model, tokenizer = chat
    rows = [{"messages": said("Hi?", "Yes.")}, {"messages": said("How?", "No, " * 5)}]
    given = SMALL | {"method": "sft", "max_completion_length": 64, "per_device_train_batch_size": 2}
    (report,) = finetune(copy.deepcopy(model), tokenizer, rows, **given)
    ids, mask = report.batch.references.ids, report.batch.references.mask
    prompts = report.batch.prompts
    sums = []
    for n in range(2):
        prompt = prompts.ids[n][prompts.mask[n]]
        answer = ids[n][mask[n]]
        with torch.no_grad():
            likely = torch.log_softmax(model(torch.cat([prompt, answer])[None]).logits[0], dim=-1)
        sums.append(likely[len(prompt) - 1 : -1].gather(-1, answer[:, None]).sum().item())
    counts = mask.sum(-1).tolist()
    assert counts[0] != counts[1]
    by_row = -sum(total / count for total, count in zip(sums, counts, strict=True)) / 2
    assert report.means()["loss"] == pytest.approx(by_row, rel=1e-4)
    assert abs(by_row + sum(sums) / sum(counts)) > 1e-3  # control: TRL's


@means(
    "logging_steps",
    "a log is the mean over so many steps | a tracker gets the last of so many steps; metrics.jsonl has them all",
)
@instead("logging_strategy=steps", "logging_steps")
def test_a_tracker_gets_every_so_many_th_step_and_the_file_has_all(file, grao, tmp_path, monkeypatch, metrics_of):
    class Kept(dict):
        log = lambda self, row, step: self.__setitem__(step, row)  # noqa: E731
        close = lambda self: None  # noqa: E731

    kept = Kept()
    monkeypatch.setitem(TRACKERS, "kept", lambda config, folder, run: kept)
    words = ["--dataset-name", file, "--method", "sft", "--report-to", "kept", "--output-dir", tmp_path / "run"]
    code, _, err = grao("train", *words, **SMALL | {"max_steps": 5, "logging_steps": 2, "eval_steps": 100})
    assert code == 0, err
    rows = metrics_of(tmp_path / "run")
    assert [entry["step"] for entry in rows] == [0, 1, 2, 3, 4, 5]
    assert list(kept) == [0, 2, 4, 5]  # and every evaluation
    assert kept[4]["loss"] == rows[4]["loss"] != rows[3]["loss"]


ONLY_SAYS = {  # rows whose cells are no settings' values: what they stand for
    "num_train_epochs, max_steps": ("3 passes | 1 pass | 200 steps", (OWN.num_train_epochs, TINY.max_steps), (1, 200)),
    "gradient_checkpointing": (
        "on | off | off", (OWN.gradient_checkpointing, TINY.gradient_checkpointing), (False, False)
    ),
    "lora_target_modules": (
        "chosen by peft | every linear layer but the output's | every linear layer but the output's",
        (OWN.lora_target_modules, TINY.lora_target_modules), ((), ()),
    ),
    "dataset_test_split": (
        "test | none | none: test_size of the prompts are held out",
        (OWN.dataset_test_split, TINY.dataset_test_split, TINY.test_size), (None, None, 0.1),
    ),
    "save_steps": (
        "500 | nothing is saved | 0: the final model, and a checkpoint where a run is stopped",
        (TINY.save_steps,),
        (0,),
    ),
    "eval_steps": ("no evaluation | 10 | 10", (OWN.eval_steps, TINY.eval_steps), (10, 10)),
    "loss_type of GRPO": ("dapo | grpo | grpo", (OWN.loss_type, TINY.loss_type), ("grpo", "grpo")),
}  # fmt: skip
VALUES = {  # rows whose last two cells are values
    "learning_rate": "1e-06, in SFT 2e-05 | 1e-05 | 0.0003",
    "lr_scheduler_type": "linear | constant | constant",
    "per_device_train_batch_size": "8 | 16 | 128",
    "max_completion_length": "512 | 256 | 8",
    "lora_dropout": "0.05 | 0.0 | 0.0",
    "seed": "42 | 0 | 0",
}


@pytest.mark.parametrize("name", [*VALUES, *ONLY_SAYS])
def test_a_default_is_what_the_page_says(name):
    if name in ONLY_SAYS:
        assert ONLY_SAYS[name][1] == ONLY_SAYS[name][2]
    else:
        theirs, *ours = VALUES[name].split(" | ")
        assert ours == [str(getattr(OWN, name)), str(getattr(TINY, name))]
        assert theirs != ours[1]


for name, says in (*VALUES.items(), *((name, says) for name, (says, _, _) in ONLY_SAYS.items())):
    row(name, says)(test_a_default_is_what_the_page_says)


def test_a_new_adapter_is_put_on_every_linear_layer_but_the_output_s(model, tokenizer):
    list(finetune(model, tokenizer, ten("prompt", "completion"), method="sft", use_peft=True, **SMALL))
    adapted = {name.partition(".lora_A")[0].split(".")[-1] for name, _ in model.named_parameters() if "lora_A" in name}
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_every_default_of_the_page_is_looked_at():
    names = [each.name for each in written_rows() if each.table == "The same name, another default"]
    assert sorted(names) == sorted([*VALUES, *ONLY_SAYS])
