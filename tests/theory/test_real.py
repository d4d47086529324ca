"""Tables of a real model's runs: which runs they hold, on which machine each was made, and what is compared."""

import json
import re

import pytest
from scipy.stats import spearmanr

from grao_ref.settings.presets import PRESETS
from theory.experiments import heads
from theory.experiments.cells import log_of, measure, read
from theory.experiments.curves import TERMS, off_the_curves
from theory.experiments.plan import HERE, table_of
from theory.experiments.real import measured
from theory.experiments.report import section
from theory.experiments.sums import alone, correct, correct_alone, rows

CARD = {"card": "a card", "torch": "2", "transformers": "5"}


def line(table, method, seed, gain, machine=CARD, name="rloo (run)"):
    """A run that gains as much with each evaluation."""
    after = {key: [gain, gain - 0.1, gain + 0.1] for key in ("reward", "KL", "length")} | {"RAS": [0.0, 0.0, 0.0]}
    curve = {
        str(step): {table.measure: gain * at, "eval_refusals": 0.1 * at} for at, step in enumerate((0, *table.steps))
    }
    about = {"task": "harmless", "method": method, "rate": "1e-5", "seed": seed, "seconds": 1800.0}
    return about | {"curve": curve, "evaluation": {"base": dict.fromkeys(after, [0.0] * 3), name: after}} | machine


@pytest.fixture
def table():
    return table_of("harmless")


def test_runs_are_compared_seed_by_seed_on_one_machine(table):
    lines = [
        line(table, "GRPO", 0, 0.1),
        line(table, "GRPO", 1, 0.2),
        line(table, "RLOO", 1, 0.5),
        line(table, "RLOO", 0, 0.2),
        line(table, "RLOO", 2, 9.0),  # its partner is missing
        line(table, "SFT", 0, 0.4, machine={}),  # its partner ran on a card
    ]
    where, _, by_measure, by_all = measured(table, lines)
    assert "6 of 36 runs are made: 5 on a card (bfloat16 autocast, torch 2, transformers 5); 1 on a CPU" in where
    assert "Together 3.0 hours of training" in where
    assert "| GRPO | 0, 1 | 0.00, 0.00 | 0.10, 0.20 | 0.20, 0.40 | 0.30, 0.60 |  |" in by_measure
    assert "| RLOO | 0, 1, 2 | " in by_measure
    assert by_measure.splitlines()[-2].endswith("| +0.20, +0.60 |")  # twice the difference: the mean of 1, 2, 3
    assert by_measure.splitlines()[-1].endswith("|  |")
    assert "RAS" not in by_all  # 0 for all
    assert "| SFT | 1 | 0.400 [0.300, 0.500] |" in by_all
    assert "| GRPO | 2 | 0.150 |" in by_all


def curves(table, method, seed, gain, shares=(None, None, None), rewards=(None, None), **about):
    """A line with what its training steps logged: shares in the first ten steps, 0.5 after them; rewards in turn."""
    trained = {
        f"objective_share/{term}": [each] * 10 + [each and 0.5] * 20 for term, each in zip(TERMS, shares, strict=True)
    }
    trained["reward"] = [rewards[0] and 5.0] * 20 + [*rewards] * 5
    made = line(table, method, seed, gain, **about) | {"task": "helpful", "trained": trained}
    for step, found in made["curve"].items():
        found["eval_reference/logp_per_token"] = -3 + int(step) / 60
    return made


def test_the_curves_of_each_run_are_read_beside_the_base_s_of_the_same_seed_and_machine():
    table = table_of("helpful")
    ended = curves(table, "LUFFY", 0, 0.2)
    del ended["curve"]["30"]  # its loss was not finite
    lines = [
        curves(table, "GRPO", 0, 0.1, rewards=(1.0, 3.0)),
        curves(table, "SFT", 0, 0.05),
        curves(table, "GRAO printed", 0, 0.2, (0.2, 0.7, 0.1), (1.0, 1.0)),
        curves(table, "GRAO printed", 1, 0.2),  # its partner is missing
        curves(table, "RLOO", 0, 0.2, machine={}),  # its partner ran on a card
        ended,
    ]
    page = off_the_curves(table, "helpful", by_method(lines))
    assert page.splitlines()[6:] == [
        "| GRPO | 0 | 30 | 1.05 |  |  | +0.50 |",  # of five times 1 and five times 3
        "| SFT | 0 | not in 30 |  |  |  | +0.50 |",
        "| GRAO printed | 0 | 15 | 0.00 | 20 / 70 / 10 | 50 / 50 / 50 | +0.50 |",  # twice as fast
    ]
    assert "### helpful: the curves of each run" in "".join(measured(table, lines[:4]))
    lines[2]["curve"]["0"][table.measure] = 9.0
    assert "| GRAO printed | 0 | 0 | " in off_the_curves(table, "helpful", by_method(lines))


def by_method(lines):
    found = {}
    for each in lines:
        found.setdefault(each["method"], {})[each["seed"]] = each
    return found


def test_the_accuracy_on_pairs_is_shown_where_every_run_has_it(table):
    lines = [line(table, "GRPO", 0, 0.1), line(table, "RLOO", 0, 0.1)]
    for each in lines:
        each["evaluation"]["base"]["chosen likelier"] = [0.4, 0.3, 0.5]
        each["evaluation"]["rloo (run)"] |= {"chosen likelier": [0.6, 0.5, 0.7], "chosen gained": [0.8, 0.7, 0.9]}
    page = measured(table, lines)[-1]
    assert "KL | chosen likelier | chosen gained |" in page
    assert "| 0.400 [0.300, 0.500] |  |" in page  # the base gains nothing over itself
    assert "| 0.600 [0.500, 0.700] | 0.800 [0.700, 0.900] |" in page
    del lines[1]["evaluation"]["rloo (run)"]["chosen likelier"]
    assert "chosen likelier" not in measured(table, lines)[-1]


def test_heads_are_recorded_with_pairs_that_they_were_not_fitted_on(tmp_path):
    turn = "Human: a\n\nAssistant: "
    good = {"chosen": f"{turn}yes", "rejected": f"{turn}no"}
    bad = {"chosen": good["rejected"], "rejected": good["chosen"]}
    rows = {"heads": [bad], "train": [good, good], "test": [good, bad]}
    (tmp_path / "some").mkdir()
    for name, part in rows.items():
        (tmp_path / "some" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    (tmp_path / "some" / "words.json").write_text('{"yes": 1.0}')
    (tmp_path / "some-head").mkdir()
    held_out = {"mean": 0.625, "low": 0.5, "high": 0.75, "pairs": 80}
    (tmp_path / "some-head" / "head.json").write_text(json.dumps({"held_out": held_out, "training": {"mean": 0.9}}))
    found = heads.of("some", tmp_path)
    assert found == {"fitted": held_out, "words": {"mean": 0.75, "pairs": 4}}
    (tmp_path / "heads.json").write_text(json.dumps({"some": found}))
    said = heads.sentence("some", tmp_path / "heads.json")
    assert "ranks 62 % [50, 75] of 80 pairs right" in said
    assert "ranks 75 % of 4 other pairs" in said
    assert heads.sentence("other", tmp_path / "heads.json") is None


def test_a_measure_that_only_some_runs_have_is_left_out(table):
    lines = [line(table, "GRPO", 0, 0.1), line(table, "RLOO", 0, 0.1)]
    assert "refusals" in measured(table, lines)[-1]
    del lines[1]["curve"]["0"]["eval_refusals"]
    assert "refusals" not in measured(table, lines)[-1]


def test_the_report_has_a_command_for_each_run(table, tmp_path):
    text = section(table, [line(table, "GRPO", 0, 0.1)], tmp_path)
    assert text.startswith(f"## {table.title}")
    commands = (tmp_path / "commands" / "harmless.md").read_text()
    assert commands.count("grao_ref.evaluate") == len(table.entrants) * table.seeds[1] == 36
    assert commands.count("--seed 2 ") == len(table.entrants)


# What the conclusions say.

SAID = (HERE / "CONCLUSIONS.md").read_text().replace("−", "-")
IMITATE = {"SFT", "SFT 10, then GRPO", "LUFFY", "bar", "GRAO printed", "GRAO repaired"}


def runs_of(name):
    """By method and seed, those of a card."""
    table, found = table_of(name), {}
    for line in read(log_of(table)):
        if "card" in line:
            found.setdefault(line["method"], {})[line["seed"]] = line
    return table, found


def after(line, name="reward"):
    return list(line["evaluation"].values())[-1][name][0]


def test_the_conclusions_have_the_numbers_of_the_harmless_prompts():
    table, found = runs_of("harmless")
    base = {seed: measure(table, line) for seed, line in found["GRPO"].items()}
    more = {
        name: [measure(table, line) - base[seed] for seed, line in sorted(each.items())] for name, each in found.items()
    }
    printed, repaired, sft = (more[name] for name in ("GRAO printed", "GRAO repaired", "SFT 10, then GRPO"))
    two = [f"{one:.2f} and {other:.2f}" for one, other in (printed, repaired, sft)]
    assert f"(printed: by {two[0]}; repaired: by {two[1]})" in SAID
    assert f"(by {two[2]})" in SAID
    assert f"ahead on *harmless* (by {two[2]} on a GPU; by " in SAID
    assert f"(by {' and '.join(f'{value:.2f}' for value in more['LUFFY'])})" in SAID
    others = [values for name, values in more.items() if name != "SFT 10, then GRPO"]
    assert all(values[seed] < sft[seed] for values in others for seed in range(min(2, len(values))))
    last = [line["curve"]["30"]["eval_reward"] for line in found["GRPO"].values()]
    assert f"end between {min(last):.2f} and {max(last):.2f}" in SAID
    lacking = sorted(value for name, values in more.items() if "printed, no" in name for value in values)
    assert [value > 0 for value in lacking] == [False, True, True, True, True]
    assert (
        f"by {lacking[1]:.2f} to {lacking[-1]:.2f} in four of five runs, and behind by {-lacking[0]:.2f} in one" in SAID
    )
    lengths = {name: [after(line, "length") for line in each.values()] for name, each in found.items()}
    short = [x for name, each in lengths.items() if name in IMITATE or "printed, no" in name for x in each]
    long = [x for name in ("GRPO", "RLOO") for x in lengths[name]]
    before = next(iter(found["GRPO"][0]["evaluation"].values()))["length"][0]
    assert f"from {before:.0f} tokens to {min(short):.0f} to {max(short):.0f} with all methods that imitate" in SAID
    assert f"and to {min(long):.0f} to {max(long):.0f} with GRPO and RLOO" in SAID
    assert f"{sum(map(len, found.values()))} of 36 on harmless prompts" in SAID
    every = [line for each in found.values() for line in each.values()]
    rank = spearmanr([after(each, "length") for each in every], [after(each) for each in every]).statistic
    assert f"(rank correlation {rank:.2f} over the {len(every)} runs)" in SAID


def test_the_conclusions_have_the_numbers_of_the_second_table_of_harmless_prompts():
    table = table_of("pairs")
    runs = {line["method"]: line for line in read(log_of(table))}
    assert {line["seed"] for line in runs.values()} == {3}
    assert not any("card" in line for line in runs.values())
    assert runs.keys() == table.entrants.keys()
    assert "So every method ran once more" in SAID
    more = {name: measure(table, line) - measure(table, runs["GRPO"]) for name, line in runs.items()}
    expected = [more[name] for name in ("SFT 10, then GRPO", "LUFFY", "GRAO printed", "GRAO repaired")]
    assert all(each > 0 for each in expected), "as expected"
    sft, luffy, printed, repaired = (f"{each:.2f}" for each in expected)
    leads = f"LUFFY ({luffy}), printed GRAO ({printed}) and repaired GRAO ({repaired})"
    assert f"SFT before GRPO is ahead of GRPO (by {sft}), and so are {leads}." in SAID
    assert f"which reads no reference, is ahead by {more['RLOO']:.2f}" in SAID
    start = {name: line["curve"]["0"]["eval_reward"] for name, line in runs.items()}
    lead = f"{start['SFT 10, then GRPO'] - start['GRPO']:.2f}"
    assert f"SFT before GRPO begins {lead} ahead" in SAID
    assert f"by {sft} on a CPU, where it began {lead} ahead)" in SAID
    lacking = sorted(value for name, value in more.items() if "printed, no" in name)
    behind = f"printed GRAO without one of its terms by {-lacking[-1]:.2f} to {-lacking[0]:.2f}"
    assert f"SFT alone is behind by {-more['SFT']:.2f}, and {behind}" in SAID
    bars = [-more[name] for name in ("bar", "bar, no imitation")]
    assert f"`bar` is behind by {bars[0]:.2f}, and without its imitation by {bars[1]:.2f}." in SAID
    every = list(runs.values())
    rank = spearmanr([after(each, "length") for each in every], [after(each) for each in every])
    assert f"can't be told from {len(every)} runs (a rank correlation of {rank.statistic:.2f})" in SAID
    assert rank.pvalue > 0.05
    gained = [list(line["evaluation"].values())[-1]["chosen gained"] for line in every]
    shares = sorted(100 * share for share, _, _ in gained)
    assert all(share / 100 * 64 == pytest.approx(round(share / 100 * 64)) for share in shares), "of 64 pairs"
    assert f"in {shares[0]:.0f} to {shares[-1]:.0f} % of the 64 held-out pairs" in SAID
    assert f"With {sum(low > 0.5 for _, low, _ in gained)} of the {len(every)} methods the interval over pairs" in SAID
    short = (36 + 0.5) / 64  # of one pair, both answers are as long
    number = {0: "No interval is", 1: "One interval is"}
    above = sum(low > short for _, low, _ in gained)
    assert f"would reach {100 * short:.0f} %. {number.get(above, f'{above} intervals are')} above that." in SAID
    both = [of_the_objective(runs[name]) for name in ("GRAO printed", "GRAO repaired")]
    assert f"have {both[0]:.0f} % (printed) and {both[1]:.0f} % (repaired) of the objective in the first 20" in SAID
    page = off_the_curves(table, "harmless", by_method(every))
    steps = [
        int(re.search(rf"^\| GRAO {name} \| 3 \| (\d+) \|", page, re.MULTILINE)[1]) for name in ("printed", "repaired")
    ]
    assert f"reach what GRPO ends with after {steps[0]} and {steps[1]} of 30 steps" in SAID
    fitted = json.loads(heads.RECORD.read_text())["pairs"]["fitted"]
    share = "{mean:.0f} % [{low:.0f}, {high:.0f}]".format(**{key: 100 * each for key, each in fitted.items()})
    assert f"ranks {share} of {fitted['pairs']} other pairs right" in SAID


def of_the_objective(line):
    """Imitation's and alignment's share, a mean over the first 20 steps, in percent."""
    terms = [line["trained"][f"objective_share/{term}"][:20] for term in ("imitation", "alignment")]
    return 100 * sum(map(sum, terms)) / 20


def test_the_conclusions_have_the_numbers_of_the_helpful_prompts():
    table = table_of("helpful")
    runs = {line["method"]: line for line in read(log_of(table))}
    assert {line["seed"] for line in runs.values()} == {0}
    assert not any("card" in line for line in runs.values())
    more = {name: measure(table, line) - measure(table, runs["GRPO"]) for name, line in runs.items()}
    start = {name: line["curve"]["0"]["eval_reward"] for name, line in runs.items()}
    sft = -more["SFT 10, then GRPO"]
    assert f"is behind GRPO by {sft:.2f}: its ten steps lower the reward from {start['GRPO']:.2f} to" in SAID
    assert f"to {start['SFT 10, then GRPO']:.2f}. Repaired GRAO is behind by {-more['GRAO repaired']:.2f}" in SAID
    lacking = sorted(value for name, value in more.items() if "printed, no" in name)
    without = f"without one of its terms by {lacking[0]:.2f} to {lacking[-1]:.2f}"
    assert f"printed GRAO ahead by {more['GRAO printed']:.2f}, {without}." in SAID
    assert runs.keys() == table.entrants.keys()
    assert "On helpful prompts every method has one seed, on a CPU, and" in SAID
    bars = ("bar", "bar, no imitation")
    bar, bare = (-more[name] for name in bars)
    moved = sorted((after(line, "KL"), name) for name, line in runs.items())
    assert tuple(name for _, name in moved[:2]) == bars
    least = f"moves least from the model before ({moved[0][0]:.1f} and {moved[1][0]:.1f} nats)"
    assert f"`bar` is behind by {bar:.2f}, without its imitation by {bare:.2f}, and {least}." in SAID
    assert f"behind on *helpful* (by {sft:.2f}, one seed)" in SAID
    lengths = {name: after(line, "length") for name, line in runs.items()}
    rank = spearmanr(list(lengths.values()), [after(line) for line in runs.values()]).statistic
    assert f"over the {len(runs)} runs, reward and length have a rank correlation of {rank:.2f}" in SAID
    assert all(61.5 < lengths[name] < 64.5 for name in ("GRPO", "RLOO", "LUFFY", "GRAO printed", *bars))
    assert f"repaired GRAO ends at {lengths['GRAO repaired']:.0f}, and SFT at {lengths['SFT']:.0f}" in SAID
    beaten = runs["GRPO"]["evaluation"]["base"]["RAS"]
    assert beaten[0] * 47 == pytest.approx(round(beaten[0] * 47))  # the share of 47 prompts
    assert not any(beaten[0] * n == pytest.approx(round(beaten[0] * n)) for n in range(1, 47))
    assert "({:.0f} % [{:.0f}, {:.0f}]) beat their reference".format(*(100 * each for each in beaten)) in SAID
    name = "eval_reference/logp_per_token"
    lost = runs["GRAO printed"]["curve"]["0"][name] - runs["GRAO printed"]["curve"]["30"][name]
    assert f"less likely by {lost:.2f} nats each" in SAID
    kl = [after(runs[name], "KL") for name in ("GRAO printed", "GRPO")]
    assert f"is {kl[0]:.1f} nats, where that of GRPO is {kl[1]:.1f}" in SAID
    gained = [100 * after(runs[name], "chosen gained") for name in ("SFT", "GRPO")]
    assert f"in {gained[0]:.0f} % of the 47 held-out pairs with SFT, and in {gained[1]:.0f} % with GRPO" in SAID
    fitted = json.loads(heads.RECORD.read_text())["helpful"]["fitted"]
    share = "{mean:.0f} % [{low:.0f}, {high:.0f}]".format(**{key: 100 * each for key, each in fitted.items()})
    assert f"ranks {share} of {fitted['pairs']} other pairs right" in SAID


def test_the_conclusions_have_the_numbers_of_the_sums():
    _, found = runs_of("sums")
    right = {name: f"{sum(map(after, each.values())) / len(each):.2f}" for name, each in found.items()}
    three = [right[name] for name in ("GRPO", "RLOO", "LUFFY")]
    assert f"GRPO, RLOO and LUFFY end with {three[0]}, {three[1]} and {three[2]} of the held-out sums right" in SAID
    assert f"GRAO ends with {right['GRAO printed']} (printed) and {right['GRAO repaired']} (repaired)" in SAID
    assert f"SFT before GRPO with {right['SFT 10, then GRPO']}." in SAID
    assert f"ends with {right['SFT']} (three seeds)" in SAID
    assert len(found["SFT"]) == 3
    cpu = {line["method"]: line for line in read(log_of(table_of("sums"))) if "card" not in line}
    bar, without = (f"{after(cpu[name]):.2f}" for name in ("bar", "bar, no imitation"))
    assert f"ends with {bar}, and without its imitation with {without} (CPU)" in SAID
    assert {line["method"] for line in read(log_of(table_of("sums")))} == table_of("sums").entrants.keys()
    lengths = {name: after(each[0], "length") for name, each in found.items()}
    assert all(9.5 < lengths[name] < 11.5 for name in ("GRPO", "RLOO", "LUFFY"))
    assert all(2.5 < lengths[name] < 4.5 for name in ("GRAO printed", "GRAO repaired", "SFT 10, then GRPO", "SFT"))


def test_the_conclusions_have_the_numbers_of_the_form():
    """And both predictions of the table's file came true."""
    table, found = table_of("form"), {}
    for line in read(log_of(table)):
        found[line["task"], line["method"]] = line
    written, strict = table.tasks
    ends = {key: f"{after(line):.2f}" for key, line in found.items()}
    grao, grpo = ends[written, "GRAO repaired"], ends[written, "GRPO"]
    assert f"GRAO ends with {grao} and GRPO, which does not read them, with {grpo}" in SAID
    early = [f"{found[written, name]['curve']['20']['eval_reward']:.2f}" for name in ("GRAO repaired", "GRPO")]
    assert f"after 20 steps GRAO has {early[0]} and GRPO {early[1]}" in SAID
    assert f"GRPO ends with {ends[strict, 'GRPO']} and GRAO with {ends[strict, 'GRAO repaired']}" in SAID
    assert float(grao) > 0.6 > float(ends[strict, "GRPO"])
    sums = {name: f"{after(each[0]):.2f}" for name, each in runs_of("sums")[1].items()}
    bare = f"GRAO: {grao} with the sum written out (CPU), {sums['GRAO repaired']} with the number alone (GPU)"
    assert f"{bare}. GRPO, which reads neither: {grpo} and {sums['GRPO']}." in SAID
    before = [found[task, "GRPO"]["curve"]["0"]["eval_reference/logp_per_token"] for task in (written, strict)]
    assert f"`eval_reference/logp_per_token` before training does ({before[0]:.2f} and {before[1]:.2f})" in SAID


# The questions.


def test_sums_are_asked_once_each_and_none_of_those_held_out_is_trained_on():
    train, test = rows()
    asked = [row["prompt"][0]["content"] for row in train + test]
    assert len(asked) == len(set(asked)) == 400
    assert (len(train), len(test)) == (300, 100)
    logged = {}
    for row in train:
        answer = row["completion"][0]["content"]
        assert correct([row["completion"]], [row["answer"]]) == [1.0]
        assert alone([f" {answer}\n", f"It is {answer}"], logged.__setitem__) == [1.0, 0.0]
    assert logged == {"number_alone": 0.5}
    written = rows(written_out=True)[0]
    assert [row["prompt"] for row in written] == [row["prompt"] for row in train]
    texts = [row["completion"][0]["content"] for row in written]
    answers = [row["answer"] for row in train]
    assert correct(texts, answers) == [1.0] * 300
    assert correct_alone(texts, answers) == [0.0] * 300
    assert correct_alone(answers, answers) == [1.0] * 300


def test_most_held_out_sums_are_trained_on_in_the_other_order():
    train, test = (
        [tuple(map(int, re.findall(r"\d+", row["prompt"][0]["content"]))) for row in part] for part in rows()
    )
    assert sum((other, one) in train for one, other in test) == 71  # as sums.py and sums.toml say


@pytest.mark.parametrize("name", ["harmless", "helpful", "sums"])
def test_what_is_not_equal_between_the_methods_is_what_the_report_says(name):
    table, preset = table_of(name), PRESETS["smollm2"]
    assert "--preset smollm2" in table.flags
    assert table.seeds == (0, 3)
    assert preset.per_device_train_batch_size == 16
    assert preset.per_device_train_batch_size // preset.num_generations == 4
    batches = {method: each.flags for method, each in table.entrants.items() if "batch" in each.flags}
    assert batches == {"SFT": "--method sft --per-device-train-batch-size 16"}
    first = {method: each.first for method, each in table.entrants.items() if each.first}
    assert first == {"SFT 10, then GRPO": "--method sft --max-steps 10 --eval-steps 10"}
