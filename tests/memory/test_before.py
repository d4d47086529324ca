"""Said before a model is loaded: what fits, what comes near, what can't fit; and `--dry-run`."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from grao_ref.data.rows import Row
from grao_ref.data.splits import rows_of
from grao_ref.memory import before, device
from grao_ref.memory.advice import best_change, changes
from grao_ref.memory.before import Plan, plan_of, require_memory
from grao_ref.memory.counting import CACHE, GRADIENTS, MOMENTS, WEIGHTS
from grao_ref.memory.estimate import Estimate, estimate
from grao_ref.memory.lengths import ASSUMED, Lengths, by_characters, by_rows, by_settings, micro_batch
from grao_ref.memory.outlines import META
from grao_ref.memory.phases import EVALUATION, UPDATE
from grao_ref.memory.rough import surely_fits
from grao_ref.policies import load
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PAPER
from grao_ref.train import main
from tests.command import parse, refused
from tests.language import pairs, save_model, save_rows
from tutorials.scale import LARGEST, architecture

CPU = torch.device("cpu")


@pytest.fixture
def command(tmp_path):
    model, data = save_model(tmp_path / "model"), save_rows(tmp_path / "pairs.jsonl", pairs())
    rest = [
        "--reward-funcs",
        "tests.language.share_of_wanted",
        "--num-generations",
        "2",
        "--max-completion-length",
        "8",
    ]
    batch = ["--per-device-train-batch-size", "4", "--max-steps", "1", "--max-eval-prompts", "4"]
    folder = ["--output-dir", str(tmp_path / "run")]
    return ["--model-name-or-path", model, "--dataset-name", data, *rest, *batch, *folder]


def no_weights(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(load.AutoModelForCausalLM, "from_pretrained", refuse)


def test_a_dry_run_prints_a_table_and_loads_nothing(command, tmp_path, capsys, monkeypatch):
    no_weights(monkeypatch)
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said  # no terminal, no colours
    for word in (
        "sampling",
        "update",
        "evaluation",
        "weights",
        "moments",
        "together",
        "It fits",
        "saves most",
    ):
        assert word in said
    assert "The longest prompt has 13 tokens" in said  # the rows' own, by the model's template
    assert not (tmp_path / "run").exists()
    with pytest.raises(AssertionError, match="weights were loaded"):  # control
        load.AutoModelForCausalLM.from_pretrained("anything")


def test_a_run_that_cannot_fit_is_refused_before_anything_is_loaded(command, tmp_path, capsys, monkeypatch):
    no_weights(monkeypatch)
    line = refused(main, [*command, "--device-memory", "0.0002"], capsys)
    assert line.startswith("error: the run needs 0.")
    for word in ("MB of memory at its peak", "0.2 MB are free", "parameters × 4 bytes", "helps most", "GRAOTrainer"):
        assert word in line
    assert "grao_ref.integrations.trl" in line
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr(Plan, "best_change", lambda *_: None)
    assert main([*command, "--dry-run", "--device-memory", "0.0002"]) == 2
    assert "It does not fit." in capsys.readouterr().out


def test_near_the_limit_there_is_a_line_and_far_from_it_there_is_none(command, capsys):
    config = parse(command)
    peak = plan_of(config, CPU, *rows_of(config)).estimate().peak
    assert main([*command, "--device-memory", str(1.05 * peak / 1e9)]) == 0
    assert "Memory: the run needs" in capsys.readouterr().out
    assert main([*command, "--device-memory", "64", "--overwrite-output-dir"]) == 0
    assert "Memory:" not in capsys.readouterr().out


def test_what_cannot_be_estimated_is_not_refused(command, monkeypatch):
    monkeypatch.setattr(before, "plan_of", lambda *_: 1 / 0)
    config = replace(parse(command), device_memory=1e-6)
    assert "can't be estimated (ZeroDivisionError" in require_memory(config, CPU, (), ())
    monkeypatch.undo()
    with pytest.raises(ValueError, match="the run needs"):  # control
        require_memory(config, CPU, (), ())
    monkeypatch.setattr(before, "free_memory", lambda device: None)
    assert require_memory(replace(config, device_memory=None), CPU, (), ()) is None


def test_a_model_that_is_nowhere_is_said_to_be():
    line = "the config of 'no/such' can't be read"
    with pytest.raises(ValueError, match=line):
        plan_of(Config(model_name_or_path="no/such"), CPU)


def test_the_paper_s_preset_does_not_fit_on_one_card():
    """As recorded by `python -m tutorials.scale`; tests/parity/test_scale.py computes it again, which takes longer.

    As it was: 128 GB cache, 122 GB state, 35 GB logits. Micro-batches and tiles leave the state.
    """
    paper = json.loads(LARGEST.read_text())["paper"]
    parameters, parts = paper["parameters"], paper["phases"]["update"]
    with META:
        model = AutoModelForCausalLM.from_config(architecture("Qwen2.5-7B"))
    assert parameters == sum(p.numel() for p in model.parameters()) == 7_615_616_512
    assert parts[GRADIENTS] == 4 * parameters
    assert parts[WEIGHTS] + parts[MOMENTS] == pytest.approx(12 * parameters, rel=1e-4)
    assert 4 * 4 * parameters > 80e9  # the state alone
    cache = paper["phases"]["sampling"][CACHE]
    assert cache == 28 * 2 * 4 * 128 * 2 * PAPER.num_generations * (ASSUMED + PAPER.max_completion_length)
    assert "30.5 GB weights (7,615,616,512 parameters × 4 bytes)" in paper["refusal"]
    assert "80.0 GB are free" in paper["refusal"]
    assert "GRAOTrainer" in paper["refusal"]


def test_the_setting_that_saves_most_is_found_by_trying_each():
    config = Config(num_generations=2, per_device_train_batch_size=8, max_completion_length=64)
    peaks = {flags: 100 - len(flags) for flags in changes(config, EVALUATION)}
    assert list(peaks) == [
        "--gradient-checkpointing",
        "--use-peft",
        "--per-device-train-batch-size 2 --gradient-accumulation-steps 4",
        "--max-completion-length 32",
        "--per-device-eval-batch-size 8",
    ]
    found = {other: flags for flags, other in changes(config, EVALUATION).items()}

    def of(peak):
        return Estimate({EVALUATION: {WEIGHTS: peak}}, 1, 1, 4, 8, 70, by_settings(config))

    best = best_change(config, of(90), lambda other: of(peaks[found[other]]))
    assert (best.flags, best.peak) == ("--per-device-train-batch-size 2 --gradient-accumulation-steps 4", 37)
    assert best_change(config, of(37), lambda other: of(peaks[found[other]])) is None  # nothing saves anything
    assert not any("eval" in flags for flags in changes(config, UPDATE))
    adapter = replace(config, use_peft=True, gradient_checkpointing=True, per_device_train_batch_size=2)
    assert list(changes(adapter, UPDATE)) == ["--dtype bfloat16", "--max-completion-length 32"]
    assert changes(adapter, UPDATE)["--dtype bfloat16"].dtype == "bfloat16"
    assert "--max-completion-length 8" not in changes(replace(config, max_completion_length=16), UPDATE)


def test_lengths_are_those_of_rows_of_all_lengths_the_longest_among_them():
    rows = [Row("p" * n, "y" * (2 * n), None) for n in range(1, 101)]

    def tokens(some):
        return [Lengths((len(row.prompt),), (len(row.reference),), (0,), known=True) for row in some]

    config = Config(num_generations=2, per_device_train_batch_size=8, max_completion_length=150, max_prompt_length=90)
    found = by_rows(config, rows, tokens)
    assert micro_batch(config) == len(found.prompts) == 4
    assert found.prompts == (26, 51, 75, 90)  # of 26, 51, 75 and 100 tokens; longer rows are dropped
    assert found.references == (52, 102, 150, 150)
    assert by_settings(config).prompts == (90,) * 4
    assert by_settings(replace(config, max_prompt_length=None), context=200).prompts == (50,) * 4
    assert min(by_characters(replace(config, max_prompt_length=None), rows).prompts) > 100


def test_the_rough_bound_is_above_the_estimate():
    for layers, vocabulary, settings in (
        (2, 50_000, {}), (12, 1_000, {}), (4, 8_000, {"max_completion_length": 128}),
        (2, 8_000, {"method": "grpo", "beta": 0.1}), (2, 1_000, {"per_device_eval_batch_size": 256}),
    ):  # fmt: skip
        sizes = {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": layers, "num_attention_heads": 4}
        architecture = LlamaConfig(**sizes, vocab_size=vocabulary)
        config = replace(Config(num_generations=4, per_device_train_batch_size=16, max_prompt_length=32), **settings)
        lengths = by_settings(config)
        peak = estimate(config, architecture, lengths, cuda=False).peak
        assert not surely_fits(config, architecture, lengths, peak)
        assert surely_fits(config, architecture, lengths, 1000 * peak)


def test_the_free_memory_is_the_machine_s_or_what_its_container_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(device, "CGROUP", tmp_path)
    assert device.free_memory(CPU) is None
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:  5000 kB\n")
    assert device.free_memory(CPU) == 5000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("2000\n")
    (tmp_path / "memory.stat").write_text("anon 1000\nfile 600\nfile_mapped 5\n")
    assert device.free_memory(CPU) == 5000 * 1024
    (tmp_path / "memory.max").write_text("10000\n")
    assert device.free_memory(CPU) == 10000 - 2000 + 600
    assert device.free_memory(torch.device("meta")) is None


def test_the_bandit_needs_no_estimate(capsys):
    assert main(["--preset", "bandit", "--dry-run"]) == 0
    assert "next to no memory" in capsys.readouterr().out


def test_a_dry_run_of_a_comparison_has_a_table_for_each_method(capsys, monkeypatch):
    monkeypatch.setattr(Plan, "best_change", lambda *_: None)
    small = ["--max-completion-length", "8", "--per-device-train-batch-size", "16"]
    assert main(["--compare", "--dry-run", *small]) == 0
    said = capsys.readouterr().out
    assert said.count("memory at the peak") == 6
    assert "reference model" in said  # dpo's


def test_the_quick_bound_counts_the_copy_that_several_updates_need():
    """By bisection: where the bound begins to fit, with one update a batch and with two."""
    lengths, text = by_settings(Config()), LlamaConfig(hidden_size=64, num_hidden_layers=2, vocab_size=500)
    parameters = 2 * 500 * 64 + 2 * 64 * (6 * 64 + 3 * text.intermediate_size)

    def least(**settings):
        low, high = 0, 10**13
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if surely_fits(Config(**settings), text, lengths, middle) else (middle, high)
        return high

    once, twice, thrice = (least(num_iterations=count) for count in (1, 2, 3))
    assert twice == thrice  # the copy is made once
    assert twice - once == pytest.approx(3 * 12 * parameters, abs=10)  # weight, two moments; the margin
