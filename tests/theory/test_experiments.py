"""The driver of the experiments: its commands are the trainer's, what is there is not made again, tables are right."""

import json
import random
import re
from collections import Counter
from dataclasses import replace
from math import isnan, perm
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from grao_ref.methods.registry import method_of
from grao_ref.settings.flags import parse
from grao_ref.settings.presets import PRESETS
from theory.experiments import cells, digits, hh, report, twin
from theory.experiments.cells import Place, best_rates, fill, measure, runs_of
from theory.experiments.plan import HERE, Cell, Entrant, table_of
from theory.experiments.readings import Read, agreement, at_the_edge, interval, leaders, on_tables, readings
from theory.ledger import number
from tutorials import seeds

TABLES = [table_of(name) for name in report.TABLES]
TUNED = [table for table in TABLES if len(table.rates) > 1]
LABORATORY = "tutorials/pages/the_laboratory.md"


def parsed(words):
    return parse(words[2:], PRESETS, module="grao_ref.train", description="")


def a_command_a_method(table):
    task = next(iter(table.tasks))
    return [(table, Cell(task, method, table.rates[0], *table.seeds)) for method in table.entrants]


@pytest.mark.parametrize(("table", "cell"), [each for table in TABLES for each in a_command_a_method(table)], ids=str)
def test_a_cell_s_command_is_one_of_the_trainer_s(table, cell):
    config = parsed(table.command(cell, "runs", "a folder"))
    assert (config.learning_rate, config.seed, config.num_seeds) == (float(cell.rate), cell.seed, cell.count)
    assert config.output_dir == Path("a folder/run")
    assert [step for step in range(1, config.max_steps + 1) if step % config.eval_steps == 0] == list(table.steps)
    method_of(config.method)
    if first := table.first(cell, "runs", "a folder"):
        assert parsed(first).method == "sft"
        assert config.model_name_or_path == "a folder/first/model"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_nothing_is_tuned_on_what_is_judged(table):
    tuned = range(table.tuning_seeds[0], sum(table.tuning_seeds))
    assert not set(tuned) & set(range(table.seeds[0], sum(table.seeds)))
    assert not set(table.tuning) & set(table.tasks)


def test_every_task_s_files_are_those_that_its_commands_write():
    table = table_of("knobs")
    for task in (table.tasks | table.tuning).values():
        (rows,) = re.findall(r"--dataset-name (\S+)", task.flags)
        assert [each.split()[-1] for each in task.makes] == [rows]
        (model,) = re.findall(r"--model-name-or-path (\S+)/model", task.flags)
        assert any(each.endswith(model) for each in table.makes)


# The task with knobs.


@pytest.mark.parametrize(("kind", "worth"), [("best", 1.0), ("beatable", 0.5), ("bad", 0.0)])
def test_a_reference_is_of_its_kind(kind, worth):
    rows = digits.rows(7, 3, kind, 0.0)
    assert {digits.reward(row["prompt"][:-1], row["completion"], 3) for row in rows} == {worth}
    assert len({row["prompt"] for row in rows}) == digits.ROWS
    wrong = digits.rows(7, 3, kind, 0.3)
    share = sum(digits.reward(row["prompt"][:-1], row["completion"], 3) == 0 for row in wrong) / len(wrong)
    assert share == pytest.approx(1.0 if kind == "bad" else 0.3, abs=0.05)


def test_a_nearly_right_reference_earns_what_is_missing_of_the_graded_reward():
    rows = digits.rows(7, 3, "nearly", 0.0)
    assert {digits.share(row["prompt"][:-1], row["completion"], 3) for row in rows} == {2 / 3}


@pytest.mark.parametrize(("right", "one_in"), [(2, 42), (3, 210)])
def test_the_best_kind_is_as_rare_as_the_file_says(right, one_in):
    assert perm(7, right) == one_in
    rng = random.Random(0)
    counted = Counter(digits.reward("1234567", "".join(rng.sample("1234567", 7)), right) for _ in range(60_000))
    assert counted[1.0] / 60_000 == pytest.approx(1 / one_in, rel=0.2)
    assert counted[0.5] / 60_000 == pytest.approx(1 / perm(7, digits.SECOND), rel=0.2)


def test_drafts_are_shuffled_digits_of_prompts_that_no_policy_sees():
    taken = {row["prompt"] for row in digits.rows(6, 3, "best", 0.0)}
    drafts = digits.drafts(6)
    assert len(drafts) == digits.DRAFTS
    assert not taken & {row["prompt"] for row in drafts}
    assert all(sorted(row["prompt"][:-1]) == sorted(row["completion"]) for row in drafts)


class State:
    global_step = 3


def test_noise_is_drawn_anew_and_is_not_in_what_is_logged():
    logged = []
    asked = {"prompts": ["213="] * 2, "completions": ["123", "321"], "right": [3, 3], "trainer_state": State()}
    first = digits.noisy(**asked, log_metric=lambda name, value: logged.append((name, value)))
    again = digits.noisy(**asked | {"completions": ["123", "312"]})
    assert logged == [("success", 0.5)]
    assert first[0] != again[0]
    assert first == digits.noisy(**asked)


def test_the_order_on_tables_is_the_report_s():
    said = (HERE.parent / "REPORT.md").read_text().split("## exp-race\n")[1].split("\n## ")[0]
    for optimizer in ("adam", "sgd"):
        waits = on_tables(optimizer)
        line = said.split(f"Mean wait, {optimizer}: ")[1].split("Mean wait, ")[0]
        known = {name: wait for name, wait in waits.items() if f"{name} {number(wait)}" in line.replace("\n", " ")}
        assert len(known) == len(waits) - 1  # but for GRPO with other seeds


def test_the_committed_report_is_what_the_logs_say(tmp_path):
    report.write(tmp_path)
    for path in (report.HERE / "REPORT.md", *(report.HERE / "commands").iterdir()):
        assert (tmp_path / path.relative_to(report.HERE)).read_text() == path.read_text()


CONCLUSIONS = (HERE / "CONCLUSIONS.md").read_text()


def minus(text):
    return str(text).replace("-", "−")


def found_in(name):
    table = table_of(name)
    return readings(table, cells.read(cells.log_of(table)))


def test_the_conclusions_have_the_numbers_of_the_sorting_race():
    """Here and on the laboratory's page."""
    found = found_in("sorting")["sorting"]
    more = {name: minus(read.more) for name, read in found.items()}
    page = (HERE.parents[1] / LABORATORY).read_text()
    for method in ("SFT 10, then GRPO", "surprise", "bar"):
        assert more[method] in CONCLUSIONS
        assert more[method] in page
        assert more[method] != more["GRPO"]
    assert more["GRAO repaired"] in page
    assert [*sorted(found, key=lambda name: -found[name].more.mean)][:2] == ["SFT 10, then GRPO", "surprise"]
    assert [*sorted(found, key=lambda name: found[name].whole.mean)][:2] == ["SRFT", "GRAO printed"]


def test_the_conclusions_have_the_numbers_of_the_map():
    found = found_in("knobs")
    rare = ("1 in 42", "1 in 210", "1 in 840")

    def means(method, kind):
        return " / ".join(f"{found[f'{cell}, {kind}'][method].whole.mean:.3f}" for cell in rare)

    for method in ("GRPO", "RLOO", "GRAO repaired", "SFT 40, then GRPO"):
        for kind in ("bad", "beatable", "best"):
            assert means(method, kind) in CONCLUSIONS, (method, kind, means(method, kind))
    for method in ("GRAO printed", "SRFT"):
        assert f"{minus(found['1 in 42, bad'][method].more)}" in CONCLUSIONS
    behind = [name for name, read in found["1 in 42, bad"].items() if read.more.sure < 0]
    assert behind == ["SRFT", "GRAO printed"]
    rest = found["1 in 210, bad"]
    assert all(f"({rest[name].whole})" in CONCLUSIONS for name in ("RLOO", "Dr. GRPO", "GRPO"))
    three = [rest[name].whole.mean for name in ("RLOO", "Dr. GRPO", "SFT 40, then GRPO")]
    assert f"{three[0]:.3f}, {three[1]:.3f} and {three[2]:.3f}, not surely different" in CONCLUSIONS
    sft = [found[f"{cell}, best"]["SFT 40, then GRPO"].base.mean for cell in rare]
    assert f"success is {sft[0]:.3f}, {sft[1]:.3f} and {sft[2]:.3f}" in CONCLUSIONS
    for cell in rare:
        ends = {name: read.end.mean for name, read in found[f"{cell}, best"].items()}
        assert min(ends["HPT"], ends["capped"]) > ends["GRAO repaired"]
    early = found["1 in 42, best"]
    assert f"GRAO has {early['GRAO repaired'].end.mean:.3f} and GRPO {early['GRPO'].end.mean:.3f}" in CONCLUSIONS
    explore = {"GRPO", "RLOO", "Dr. GRPO", "PPO"}  # they never see a reference: the quality of it changes nothing
    for method in explore:
        assert means(method, "bad") == means(method, "beatable") == means(method, "best")
    beatable = found["1 in 42, beatable"]
    assert set(leaders(beatable)) == explore
    least = min(beatable[method].whole.mean for method in explore)
    others = {name: read.whole.mean for name, read in beatable.items() if name not in explore}
    best = max(others, key=others.__getitem__)
    assert (best, others[best] < least) == ("CHORD-φ", True)
    assert f"{beatable[best].whole}" in CONCLUSIONS
    assert sum(value < 0.02 for value in others.values()) == len(others) - 2
    for cell in rare:
        assert leaders(found[f"{cell}, best"]) == ["SFT 40, then GRPO"]
    table = table_of("knobs")
    rates = best_rates(table, cells.read(cells.log_of(table)))
    smallest = sum(rate == table.rates[0] for rate in rates["1 in 42, beatable"].values())
    largest = sum(rate == table.rates[-1] for rate in rates["1 in 42, best"].values())
    assert (smallest, largest) == (10, 6)
    assert "ten of sixteen methods stand at the smallest rate" in CONCLUSIONS
    assert "six stand at the largest" in CONCLUSIONS


def test_the_conclusions_have_the_numbers_of_the_bandit():
    found, twins = found_in("knobs"), json.loads((cells.LOGS / "twin.json").read_text())

    def rho(cell):
        ours = {name: read.whole.mean for name, read in found[cell].items()}
        return f"{agreement(ours, {name: each[cell] for name, each in twins.items()})[0]:.2f}"

    best, bad = ([rho(f"{cell}, {kind}") for cell in ("1 in 42", "1 in 210", "1 in 840")] for kind in ("best", "bad"))
    assert f"rank correlations {best[0]}, {best[1]} and {best[2]}" in CONCLUSIONS
    assert minus(f"({bad[0]}, {bad[1]} and {bad[2]})") in CONCLUSIONS
    beatable = [rho(f"{cell}, beatable") for cell in ("1 in 42", "1 in 210", "1 in 840")]
    assert f"({beatable[0]}, {beatable[1]} and {beatable[2]})" in CONCLUSIONS
    cell = "1 in 42, beatable"
    theirs = [f"{twins[name][cell]:.3f}" for name in ("bar", "LUFFY")]
    here = [f"{found[cell][name].whole.mean:.3f}" for name in ("bar", "LUFFY")]
    assert f"reach {theirs[0]} and {theirs[1]} on the bandit" in CONCLUSIONS
    assert f"reach {here[0]} and {here[1]} here" in CONCLUSIONS


def by_step(name, task, step, method):
    """Held-out reward at a step, by seed: the method's and GRPO's."""
    table = table_of(name)
    lines = cells.read(cells.log_of(table))
    rates = best_rates(table, lines)[task]
    runs = [cells.made(lines, Cell(task, each, rates[each], *table.seeds)) for each in (method, "GRPO")]
    return [[found[seed]["curve"][step]["eval_reward"] for seed in sorted(found)] for found in runs]


def ends(line):
    return line["curve"]["100"]["eval_success"]


def test_the_conclusions_have_the_runs_that_they_count():
    """Single runs of the map, corrections for several comparisons, and what SFT and GRAO read."""
    table = table_of("knobs")
    lines = cells.read(cells.log_of(table))
    rates = best_rates(table, lines)

    def last(task, method):
        return [
            ends(line) for line in cells.made(lines, Cell(task, method, rates[task][method], *table.seeds)).values()
        ]

    rows = [
        [sum(value >= 0.5 for value in last(f"{cell}, beatable", name)) for name in ("GRPO", "RLOO", "Dr. GRPO", "PPO")]
        for cell in ("1 in 42", "1 in 210", "1 in 840")
    ]
    said = [", ".join(map(str, row[:-1])) + f" and {row[-1]}" for row in rows]
    assert (
        f"in {said[0]} runs of eight at one in 42, in {said[1]} at one in 210, and in {said[2]} at one" in CONCLUSIONS
    )
    grpo, rloo = zip(*(row[:2] for row in rows), strict=True)
    assert (
        f"GRPO ends with the better kind in {grpo[0]}, {grpo[1]} and {grpo[2]}, RLOO in {rloo[0]}, {rloo[1]}"
        in CONCLUSIONS
    )
    for name in ("GRAO printed", "GRAO repaired"):
        assert not any(
            value >= 0.5 for cell in ("1 in 42", "1 in 210", "1 in 840") for value in last(f"{cell}, beatable", name)
        )
    assert sum(value > 0.5 for value in last("1 in 42, beatable", "CHORD-φ")) == 5
    assert "five runs of eight escape" in CONCLUSIONS
    rare = [last(f"1 in 840, {kind}", name) for kind, name in
            (("beatable", "RLOO"), ("beatable", "Dr. GRPO"), ("bad", "CHORD-φ"))]  # fmt: skip
    assert [sum(value > 0.2 for value in each) for each in rare] == [1, 1, 1]
    assert f"reaches {min(map(max, rare)):.2f} or more" in CONCLUSIONS
    bad = {name: read.whole.mean for name, read in found_in("knobs")["1 in 210, bad"].items()}
    assert f"40 steps of SFT before it ({bad['SFT 40, then GRPO']:.3f}) or RLOO ({bad['RLOO']:.3f})" in CONCLUSIONS
    config = parsed(table.command(Cell("1 in 42, best", "GRAO repaired", "1e-3", 0, 8), "runs", "x"))
    groups = config.per_device_train_batch_size // config.num_generations
    assert f"({40 * config.per_device_train_batch_size:,} references; GRAO reads {100 * groups} in all)" in CONCLUSIONS


def test_the_conclusions_have_the_corrections_for_several_comparisons():
    found = found_in("sorting")["sorting"]
    base = found["GRPO"].values
    chances = {name: seeds.chance(np.subtract(read.values, base)) for name, read in found.items() if name != "GRPO"}
    holm, bonferroni = seeds.holm(chances), seeds.bonferroni(chances)
    assert f"Holm's (p = {holm['surprise']:.3f}) and not Bonferroni's ({bonferroni['surprise']:.3f})" in CONCLUSIONS
    ahead = [name for name, read in found.items() if name != "GRPO" and read.more.mean > 0]
    assert [name for name in ahead if holm[name] < 0.05] == ["SFT 10, then GRPO", "surprise"]
    assert [name for name in ahead if bonferroni[name] < 0.05] == ["SFT 10, then GRPO"]
    twins, map_ = json.loads((cells.LOGS / "twin.json").read_text()), found_in("knobs")
    p = {}
    for cell in (task for task, each in table_of("knobs").tasks.items() if each.place):
        ours = {name: read.whole.mean for name, read in map_[cell].items()}
        p[cell] = agreement(ours, {name: each[cell] for name, each in twins.items()})[1]
    assert seeds.survive(seeds.holm(p)) == ["1 in 42, beatable", "1 in 840, best"]
    assert "two survive Holm's correction: beatable at one in 42, and best at one in 840" in CONCLUSIONS


def test_the_tasks_beside_the_map_are_as_the_conclusions_say():
    found = found_in("knobs")
    more = {name: read.more.sure for name, read in found["graded"].items()}
    assert (more["SFT 40, then GRPO"], more["SFT 10, then GRPO"], more["surprise"]) == (1, -1, -1)
    for name in ("SFT 40, then GRPO", "SFT 10, then GRPO", "surprise", "LUFFY", "RLOO"):
        assert f"{minus(found['graded'][name].more)}" in CONCLUSIONS
    assert found["graded"]["GRAO printed"].whole.mean > found["graded"]["GRAO repaired"].whole.mean
    sorting = found_in("sorting")["sorting"]
    assert f"{sorting['LUFFY'].more} and {found['graded']['LUFFY'].more}" in CONCLUSIONS
    assert interval(np.subtract(*by_step("sorting", "sorting", "100", "SFT 10, then GRPO"))).sure == 0
    rewards = np.mean(
        [by_step("knobs", "graded", step, "SFT 10, then GRPO") for step in ("25", "50", "75", "100")], axis=0
    )
    assert f"ten steps of SFT are not behind there ({interval(np.subtract(*rewards))})" in CONCLUSIONS
    noise = [f"{np.mean(by_step('knobs', 'noise', '100', name)[0]):.2f}" for name in ("SFT 40, then GRPO", "RLOO")]
    assert f"{noise[0]} (SFT before GRPO) beside {noise[1].lstrip('-')} (RLOO)" in CONCLUSIONS
    some, most = (
        {name: f"{read.whole.mean:.3f}" for name, read in found[f"{share} % wrong"].items()} for share in (30, 70)
    )
    repaired, sft, printed = (
        (some[name], most[name]) for name in ("GRAO repaired", "SFT 40, then GRPO", "GRAO printed")
    )
    assert f"repaired GRAO reaches {repaired[0]} and {repaired[1]}, and 40 steps" in CONCLUSIONS
    assert (
        f"before GRPO {sft[0]} and {sft[1]}, where GRPO reaches {some['GRPO']} and RLOO {some['RLOO']}" in CONCLUSIONS
    )
    whole = found["1 in 210, best"]["GRAO printed"].whole.mean
    assert f"falls from {whole:.3f} to {printed[0]} and {printed[1]}, which are not surely different" in CONCLUSIONS
    for share in (30, 70):
        each = found[f"{share} % wrong"]
        assert interval(np.subtract(each["GRAO printed"].values, each["RLOO"].values)).sure == 0
        assert interval(np.subtract(each["GRAO repaired"].values, each["RLOO"].values)).sure == 1
    assert leaders(found["noise"]) == []
    nine = {name: max(read.values) for name, read in found["nine digits"].items()}
    assert {name for name, value in nine.items() if value > 0.05} == {"GRPO", "RLOO", "Dr. GRPO", "PPO"}
    assert all(len(found[task]) == 16 for task in ("graded", "noise", "30 % wrong", "70 % wrong", "nine digits"))
    assert f"RLOO is ahead with graded rewards ({found['graded']['RLOO'].more})" in CONCLUSIONS
    assert f"GRPO is not surely ahead ({str(found['nine digits']['RLOO'].more)[1:]})" in CONCLUSIONS
    assert found["nine digits"]["RLOO"].more.sure == 0
    graded, best = found["graded"], found["1 in 42, best"]
    assert graded["SFT 40, then GRPO"].end.mean < graded["GRPO"].end.mean
    assert (
        f"at step 100 GRAO has {best['GRAO repaired'].end.mean:.3f} and GRPO {best['GRPO'].end.mean:.3f}" in CONCLUSIONS
    )
    rates = best_rates(table_of("knobs"), cells.read(cells.log_of(table_of("knobs"))))["graded"]
    explore = {"GRPO", "RLOO", "Dr. GRPO", "PPO"}
    assert {name for name, rate in rates.items() if rate == "3e-4"} == explore | {"CHORD-φ", "LUFFY"}
    assert set(rates.values()) == {"3e-4", "1e-4"}
    ahead = {name for name, read in graded.items() if read.more.sure > 0}
    assert ahead - explore == {"LUFFY", "SFT 40, then GRPO"}


def test_the_first_design_had_left_what_its_successor_s_file_says():
    first = cells.read(cells.LOGS / "knobs-first.jsonl")
    judged = [line for line in first if line["seed"] < 8]
    assert (len(judged), len(first) - len(judged)) == (64, 288)
    reached = {}
    for line in judged:
        values = [line["curve"][step]["eval_success"] for step in ("15", "30", "45", "60")]
        reached.setdefault(line["method"], []).append(mean(values))
    means = {name: mean(values) for name, values in reached.items()}
    said = " ".join((HERE / "knobs.toml").read_text().replace("\n#", "").split())
    assert f"reached {means['GRPO']:.2f} at one in 42" in said
    others = [means[name] for name in ("RLOO", "Dr. GRPO", "PPO", "CHORD-φ", "SFT 10, then GRPO")]
    assert f"reached {min(others):.2f} to {max(others):.2f}" in said


def test_the_conclusions_have_the_numbers_of_the_paper_s_settings():
    said = {(row["id"], row["task"]): row for row in json.loads((HERE / "at_this_scale.json").read_text())}
    ratio = said["claim-12", "best"]["words"].partition("Ratio ")[2].rstrip(".")
    assert f"after {ratio} of GRPO's steps" in CONCLUSIONS
    whole = said["table-3", "best"]["words"]
    lacks = dict(part.split(": ") for part in whole.split("term: ")[1].split(". Along")[0].split("; "))
    for name in ("no imitation", "no exploration", "no alignment"):
        assert f"({lacks[name]})" in CONCLUSIONS
    along = dict(part.split(": ") for part in whole.split("(λ = 0): ")[1].split(";")[0].split(", "))
    assert max(along, key=along.get) == "0.359"
    assert "highest at 0.36, the paper's own" in CONCLUSIONS
    assert whole.endswith("against one top: 0.000.")
    same = said["thm-1", "best"]["words"].split("same ρ: ")[1].split(". At another")[0]
    largest = max(abs(float(part.split(": ")[1].split(" ±")[0])) for part in same.split("; "))
    assert f"differ by {largest:.3f} or less" in CONCLUSIONS
    best = found_in("terms")["best"]
    pairs = (
        ("printed", "ρ 0.36, λ 0"),
        ("ρ 0.36, λ 2", "ρ 0.36, λ 0"),
        ("no imitation", "ρ 0.05, λ 0"),
        ("no exploration", "ρ 0.96, λ 0"),
    )
    assert sum(bool(interval(np.subtract(best[a].values, best[b].values)).sure) for a, b in pairs) == 2
    assert "for two pairs of four the interval of the difference does not contain 0" in CONCLUSIONS
    assert said["thm-1", "best"]["verdict"] == "no"
    for near in ("ρ 0.2, λ 0", "no alignment"):  # ρ of 0.2 and of 0.5
        assert interval(np.subtract(best["ρ 0.36, λ 0"].values, best[near].values)).sure == 0
    table, last = table_of("terms"), {}
    for line in cells.read(cells.log_of(table)):
        if line["task"] == "best":
            last.setdefault(line["method"], {})[line["seed"]] = ends(line)
    assert all(len(each) == 8 for each in last.values())
    for each in last.values():
        assert interval([each[seed] - last["GRPO"][seed] for seed in sorted(each)]).sure == 0
    assert "at step 100 no row is surely ahead of GRPO" in CONCLUSIONS
    assert said["claim-15", "best"]["words"].startswith(
        "Imitation and alignment have 74 % of the objective in the first 20"
    )
    assert "Imitation and alignment have 74 % of the objective in the first 20 steps" in CONCLUSIONS
    assert said["table-3", "best"]["verdict"] == said["claim-13", "best"]["verdict"] == "open"
    floor = found_in("terms")["beatable"]
    assert all(read.end.mean < 0.001 for name, read in floor.items() if name != "GRPO")


def test_the_conclusions_have_the_numbers_of_the_mixture():
    rows = [row for row in json.loads((HERE / "at_this_scale.json").read_text()) if row["id"] == "claim-16"]
    more = {row["task"]: row["words"].split("More on the mixture: ")[1].rstrip(".") for row in rows}
    assert {row["verdict"] for row in rows} == {"open"}
    assert f"by {minus(more['references: best, 1 in 42'])} where" in CONCLUSIONS
    largest = max(more.values(), key=lambda words: abs(float(words.split()[0])))
    assert largest == more["references: best, 1 in 42"]


# Real preferences.


def said(prompt, chosen, rejected):
    before = f"\n\nHuman: {prompt}{hh.TURN}"
    return {"chosen": f"{before} {chosen}", "rejected": f"{before} {rejected}"}


def test_no_prompt_is_in_two_parts_and_every_row_is_in_one():
    rows = [said(f"question {index % 50}", "yes", f"no {index}") for index in range(200)]
    found = hh.parts(rows)
    assert {name: len(part) for name, part in found.items()} == {"heads": 100, "train": 80, "test": 20}
    prompts = [{row["chosen"].rpartition(hh.TURN)[0] for row in part} for part in found.values()]
    assert sum(map(len, prompts)) == len(set.union(*prompts)) == 50


def test_the_head_of_words_finds_the_words_that_were_preferred():
    rng = random.Random(0)
    rows = [said("q", f"kind {rng.choice('abcd')}", f"rude {rng.choice('abcd')}") for _ in range(100)]
    head = hh.fit(rows)
    assert head["kind"] > 0.5 > -0.5 > head["rude"]
    assert hh.accuracy(rows, head) == 1
    turned = [{"chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    assert hh.accuracy(turned, head) == 0
    assert hh.accuracy(rows, {}) == 0.5


def test_what_nobody_trains_on_is_logged(tmp_path, monkeypatch):
    (tmp_path / "words.json").write_text(json.dumps({"sorry": -1.0, "yes": 2.0}))
    monkeypatch.setenv("GRAO_HH", str(tmp_path))
    hh._head.cache_clear()
    logged = {}
    answers = ["Sorry, no.", "Yes!", [{"role": "assistant", "content": "Yes!"}]]
    assert hh.unseen(["q"] * 3, answers, log_metric=logged.__setitem__) == [-1.0, 2.0, 2.0]
    hh._head.cache_clear()
    expected = {"words_head": 1.0, "words": 4 / 3, "repetition": 0.0, "distinct": 2 / 3, "refusals": 1 / 3}
    assert logged == pytest.approx(expected)


# Cells that are run, or not again.


@pytest.fixture
def small(tmp_path):
    """A table of two methods that a CPU trains in seconds, and where it is made."""
    table = replace(
        table_of("sorting"),
        flags="--max-steps 2 --eval-steps 1 --per-device-train-batch-size 16 --max-eval-prompts 4",
        steps=(1, 2),
        rates=("1e-4", "1e-3"),
        seeds=(0, 2),
        entrants={
            "GRPO": Entrant("GRPO", "--method grpo"),
            "SFT, GRPO": Entrant("SFT, GRPO", "--method grpo", first="--method sft --max-steps 1"),
        },
    )
    return table, Place(tmp_path / "home", tmp_path / "log.jsonl")


def test_a_cell_is_run_once_and_leaves_lines_of_text_alone(small, monkeypatch):
    table, place = small
    cell = Cell("sorting", "SFT, GRPO", "1e-3", 0, 2)
    assert list(fill(table, [cell], place, 1)) == [cell]
    lines = [json.loads(line) for line in place.log.read_text().splitlines()]
    assert [(line["seed"], list(line["curve"])) for line in lines] == [(0, ["0", "1", "2"]), (1, ["0", "1", "2"])]
    assert lines[0]["curve"]["2"]["eval_reward"] != lines[1]["curve"]["2"]["eval_reward"]
    assert list(place.home.iterdir()) == []
    monkeypatch.setattr(cells, "runs_of", None)  # what is there is not made again
    assert list(fill(table, [cell], place, 1)) == []


def test_a_run_whose_loss_is_not_finite_counts_as_far_as_it_came(small, monkeypatch):
    """The seeds after it are run all the same."""
    table, place = small
    codes = iter([cells.NOT_FINITE, 0])

    def run(command, what, around, until, allowed=(0,)):
        folder, seed = Path(command[-1]), int(command[command.index("--seed") + 1])
        folder.mkdir(parents=True)
        code = next(codes)
        rows = [{"seed": seed, "step": step, "eval_reward": 0.5} for step in range(2 if code else 3)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return code

    monkeypatch.setattr(cells, "_run", run)
    lines = runs_of(table, Cell("sorting", "GRPO", "1e-3", 0, 2), place.home)
    assert [line["seed"] for line in lines] == [0, 1]
    assert [measure(table, line) for line in lines] == [0.25, 0.5]


def test_what_a_trainer_says_is_said_where_it_fails(small):
    table, place = small
    broken = replace(table, entrants={"x": Entrant("x", "--method no_such_method")})
    with pytest.raises(RuntimeError, match="no_such_method"):
        runs_of(broken, Cell("sorting", "x", "1e-3", 0, 1), place.home)


def test_a_table_that_is_not_there_is_named():
    there = "form, harmless, helpful, knobs, mixture, pairs, sorting, sums, terms"
    with pytest.raises(ValueError, match=f"there is no table nothing; there are {there}"):
        table_of("nothing")


# What a log says.


def log(table, better):
    """Lines: every method best at 3e-4; one of them ahead by 0.1 at each seed."""
    rates = {task: dict.fromkeys(table.entrants, "3e-4") for task in table.tasks}
    cells = table.to_tune + table.to_judge(rates)
    for cell in cells:
        for seed in range(cell.seed, cell.seed + cell.count):
            value = 0.4 + 0.1 * (cell.method == better) + 0.2 * (cell.rate == "3e-4") + 0.001 * (seed % 7)
            curve = {str(step): {table.measure: value} for step in (0, *table.steps)}
            about = {"task": cell.task, "method": cell.method, "rate": cell.rate, "seed": seed}
            yield about | {"seconds": 1.0, "curve": curve}


@pytest.mark.parametrize("table", TUNED, ids=lambda table: table.name)
def test_the_method_that_is_ahead_is_called_better(table, tmp_path):
    lines = list(log(table, "LUFFY"))
    assert {rate for rates in best_rates(table, lines).values() for rate in rates.values()} == {"3e-4"}
    for methods in readings(table, lines).values():
        assert methods["LUFFY"].more.mean == pytest.approx(0.1)
        assert {name for name, read in methods.items() if read.more.sure} == {"LUFFY"}
    assert "| LUFFY |" in report.section(table, lines, tmp_path)


def test_who_leads_is_the_best_and_whoever_may_be_as_good():
    def read(values, base=0.1):
        return Read(None, interval(values), None, None, interval([base] * len(values)), tuple(values))

    spread = [0.5, 0.6, 0.7, 0.8]
    methods = {
        "best": read(spread),
        "as good": read([0.55, 0.5, 0.75, 0.75]),
        "behind": read([v - 0.1 for v in spread]),
    }
    assert leaders(methods) == ["best", "as good"]
    assert leaders({"flat": read([0.11, 0.12, 0.13])}) == []
    assert "| 1 in 42 | 0.650 ± 0.205 | best, as good |" in report.who_leads({"1 in 42": methods})
    assert "| 1 in 42 |  | nobody |" in report.who_leads({"1 in 42": {"flat": read([0.11, 0.12, 0.13])}})


def test_a_rate_at_the_grid_s_edge_is_said():
    table = table_of("knobs")
    assert at_the_edge(table, {"GRPO": "1e-4", "bar": "3e-4", "PPO": "1e-3"}) == ["GRPO", "PPO"]


def test_without_tuning_nothing_is_judged(tmp_path):
    table = table_of("knobs")
    assert "Not judged yet" in report.section(table, list(log(table, "bar"))[:5], tmp_path)


def test_an_interval_is_student_s():
    found = interval([1.0, 2.0, 3.0, 4.0])
    assert (found.mean, found.half) == (2.5, pytest.approx(3.1824 * 1.29099 / 2, rel=1e-4))


def test_agreement_is_1_for_the_same_order_and_none_for_a_constant():
    ours = {name: value for value, name in enumerate("abcdefgh")}
    assert agreement(ours, {name: value**3 for name, value in ours.items()})[0] == pytest.approx(1)
    assert agreement(ours, {name: value**3 for name, value in ours.items()})[1] < 0.001
    assert agreement(ours, {name: -value for name, value in ours.items()})[0] == pytest.approx(-1)
    assert all(map(isnan, agreement(ours, dict.fromkeys(ours, 1.0))))


@pytest.mark.parametrize("kind", ["bad", "beatable", "best"])
def test_the_twin_has_the_chances_and_rewards_of_its_cell(kind):
    rewards, logits, best = twin.table(7, 2, kind)
    shares = logits.exp()
    assert shares.sum().item() == pytest.approx(1)
    assert (rewards[best], shares[best].item()) == (1, pytest.approx(1 / 42))
    assert rewards[1] == {"bad": 0, "beatable": 0.5, "best": 1}[kind]
    assert shares[rewards == 0.5].item() == pytest.approx(1 / 210)
