"""The page *Comparing methods fairly*: what is typed is what the committed runs give, and its statistics are right."""

import json
import re
from math import comb

import numpy as np
from scipy import stats

from grao_ref.runs.train_command import ENDS
from grao_ref.settings.flags import parse
from grao_ref.settings.presets import PRESETS
from tests.tutorials.test_practical_pages import commands, read
from theory.experiments.cells import NOT_FINITE
from theory.experiments.plan import table_of
from tutorials import comparing, comparing_shown, pictures, seeds, style
from tutorials.sources import HERE

PAGE = (HERE / "pages" / "comparing_methods_fairly.md").read_text()
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"\d+\.\d+|\d+ %")
WORDS = dict(
    enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
        ]
    )
)
GRAO, CHORD, BASE = "GRAO repaired", "CHORD-φ", comparing.BASE


def rates(method):
    return comparing.at_rates(method)


def said():
    """Every phrase of the page that has a number of the log, from the log."""
    grpo, grao, chord, printed = (rates(name) for name in (BASE, GRAO, CHORD, "GRAO printed"))
    best = {name: max(rates(name).values()) for name in (BASE, CHORD)}
    found = comparing.chances()
    holm, bonferroni = seeds.holm(found), seeds.bonferroni(found)
    sure = seeds.survive(found)
    ahead = {name for name in sure if comparing.more(name).mean() > 0}
    near, pairs = comparing.near(), comparing.pairs_near()
    narrow = comparing.narrower()
    against = [pair for pair in narrow if BASE in pair]
    alike = comparing.paired(*comparing.ALIKE).half, comparing.unpaired(*comparing.ALIKE).half
    plain = ("bar, no imitation", BASE)
    every = {name for step in (None, *comparing.TABLE.steps) for name in comparing.sure_at(step)}
    assert min(printed, key=lambda rate: -printed[rate]) == comparing.TABLE.rates[0]
    return [
        f"with {len(comparing.runs())} methods, {WORDS[comparing.SEEDS]} seeds each: ",
        f"{len(comparing.runs()) * comparing.SEEDS} runs, and {len(comparing.TABLE.to_tune)} more that tuned",
        f"All {len(comparing.log())} are in `theory/experiments/logs/sorting.jsonl`",
        f"one method is better than GRPO. Over all five measures, {WORDS[len(every)]} methods are.",
        f"by {grao['3e-4'] - grpo['3e-4']:.3f} at 3e-4 and by {grao['1e-3'] - grpo['1e-3']:.3f} at 1e-3",
        f"In {len(comparing.turned())} of the {comb(len(comparing.runs()), 2)} pairs of methods",
        f"ahead of GRPO at 1e-3 by {chord['3e-4'] - grpo['1e-3']:.3f}.",
        f"With both at their best rates it is ahead by {best[CHORD] - best[BASE]:.3f}.",
        f"{WORDS[len(comparing.readers())].capitalize()} of the {WORDS[len(comparing.others())]} do.",
        f"{WORDS[len(near)].capitalize()} of the methods are within {comparing.NEAR} of GRPO",
        f"one comparison of {WORDS[round(1 / comparing.wrong_among_near(1, 'same'))]},",
        f"CHORD-φ is ahead of GRPO by {comparing.more(CHORD).mean():.3f}, and "
        f"{WORDS[int((comparing.more(CHORD) < 0).sum())]} of the five seeds say the opposite",
        f"Repaired GRAO's lead needs {seeds.seeds_needed(comparing.more(GRAO))} seeds, "
        f"CHORD-φ's {seeds.seeds_needed(comparing.more(CHORD))}.",
        f"If a difference needs {seeds.seeds_needed(comparing.more(CHORD))} seeds",
        f"{alike[0]:.4f} against {alike[1]:.4f} for `surprise` and repaired GRAO",
        f"{comparing.paired(*plain).half:.4f} against {comparing.unpaired(*plain).half:.4f} for GRPO and `bar` without",
        f"for {len(against)} of the {len(near) - 1} methods, and in {len(narrow)} of the {len(pairs)} pairs",
        f"is {stats.t.ppf(0.975, 4):.2f}, against {stats.t.ppf(0.975, 8):.2f} for the 8",
        f"different with probability {1 - 0.95 ** len(found):.0%}".replace("%", " %"),
        f"Without a correction {len(sure)} of the {len(found)} differences",
        f"{WORDS[len(ahead)]} methods are better than GRPO and {WORDS[len(sure) - len(ahead)]} are worse",
        f"After Holm's correction {len(seeds.survive(holm))} are left: the four that are worse, ten steps of SFT "
        f"before GRPO, and `surprise` ({holm['surprise']:.3f})",
        f"After Bonferroni's {len(seeds.survive(bonferroni))} are left, without `surprise` "
        f"({bonferroni['surprise']:.3f})",
        f"can't give a p-value below {seeds.least_by_signs(5)}, so five",
        f"with ten seeds it can give {seeds.least_by_signs(10):.4f}",
    ]


def test_what_is_typed_is_what_the_log_gives():
    assert [phrase for phrase in said() if phrase not in PAGE] == []


def test_no_other_number_is_typed():
    """Whatever looks measured is in one of the phrases, or is a level, or is checked below."""
    checked = " ".join([*said(), *between_said(), "95 % interval 5 % level 5 % for all", "rank correlation of 0.12"])
    assert set(NUMBER.findall(PROSE)) - set(NUMBER.findall(checked)) == set()
    assert "0.941" in NUMBER.findall(PROSE + " ahead by 0.941")  # control: a number of nobody's would be found
    assert "0.941" not in NUMBER.findall(checked)


def between_said():
    """What the interpolation gives in the recorded run, and what was measured there."""
    steps = json.loads(pictures.RECORD.read_text())["steps"]
    run = {row["step"]: row["eval_reward"] for row in steps if "eval_reward" in row}
    guess = {step: comparing.between((a, b), (run[a], run[b]), step) for a, step, b in ((0, 10, 20), (10, 20, 30))}
    assert all(guess[step] < run[step] for step in guess)
    return [
        f"this gives {guess[10]:.3f} at step 10, where {run[10]:.3f} was measured",
        f"and {guess[20]:.3f} at step 20, where {run[20]:.3f} was measured",
    ]


def test_rewards_between_evaluations_are_guessed_low_in_the_recorded_run():
    assert [phrase for phrase in between_said() if phrase not in PAGE] == []


def test_at_equal_queries_no_lead_is_above_its_noise_and_at_equal_steps_some_are():
    assert [name for name in comparing.readers() if comparing.at_equal_queries(name).sure == 1] == []
    assert [name for name in comparing.readers() if comparing.paired(name).sure == 1]


def test_the_winners_by_the_names_that_the_page_has():
    """And the picture's words: on which side of 0 the seeds of a method are."""
    assert comparing.sure_at(100) == ["surprise"]
    holm = seeds.survive(seeds.holm(comparing.chances()))
    first, longer = "SFT 10, then GRPO", "SFT 40, then GRPO"
    assert {"surprise", first, "PPO", "GRAO printed", "SRFT", "bar, no imitation"} == set(holm)
    assert not {GRAO, "LUFFY", "capped", longer} & set(holm)
    assert {GRAO, "LUFFY", "capped", longer} < set(seeds.survive(comparing.chances()))
    both = {name for name in comparing.near() if len({*np.sign(comparing.more(name))}) == 2}
    assert both == {"RLOO", "Dr. GRPO", "HPT", CHORD, "bar"}
    assert set(comparing.others()) - set(comparing.near()) == {"PPO", "GRAO printed", "SRFT"}
    least = min(comparing.pairs_near(), key=lambda two: comparing.paired(*two).half / comparing.unpaired(*two).half)
    assert set(least) == set(comparing.ALIKE)


def test_the_rule_of_thumb_is_as_near_as_the_page_says():
    far = [
        abs(seeds.about(comparing.more(name)) - seeds.seeds_needed(comparing.more(name))) for name in comparing.others()
    ]
    assert max(far) < 1.5


def test_the_words_of_the_pictures_are_their_numbers(monkeypatch):
    words = []
    monkeypatch.setattr(style, "show", lambda drawn, caption, *, alt: words.append(alt))
    comparing_shown.risk()
    comparing_shown.differences()
    found = [[seeds.wrong_if(comparing.more(name), count) for count in (1, 5, 20)] for name in comparing.SHOWN[:2]]
    for share in (*found[0], *found[1][:2], seeds.wrong_if(comparing.more(GRAO), 1)):
        assert f"{share:.0%}".replace("%", " %") in words[0]
    assert seeds.wrong_if(comparing.more(GRAO), 3) < 0.005
    assert words[1].startswith("Twelve rows of five dots") == (len(comparing.near()) == 13)


def test_every_run_has_all_evaluations_and_would_end_with_this_code():
    assert all(set(line["curve"]) == {"0", *map(str, comparing.TABLE.steps)} for line in comparing.log())
    assert dict(ENDS)[FloatingPointError] == NOT_FINITE == 3
    whole, counted, dropped = comparing.stopped(seed=0)
    assert counted < whole < dropped


def test_a_step_asks_for_as_many_rewards_as_the_page_says():
    table = comparing.TABLE
    config = parse(["--method", "grpo", *table.flags.split()], PRESETS, module="grao_ref.train", description="")
    assert config.num_generations == comparing.GROUP
    assert f"asks for {config.per_device_train_batch_size} rewards" in PAGE
    prompts = config.per_device_train_batch_size // config.num_generations
    assert f"asks for {prompts} more: {config.per_device_train_batch_size + prompts}." in PAGE
    (equal,) = [read(*each) for each in commands(PAGE) if "7" in each[1]]
    asked = equal.per_device_train_batch_size + equal.per_device_train_batch_size // equal.num_generations
    assert asked == config.per_device_train_batch_size
    assert equal.per_device_train_batch_size // equal.num_generations == prompts


def test_its_commands_are_the_race_s_but_for_the_folder():
    found = [read(*each) for each in commands(PAGE) if "--num-seeds" in each[1]]
    assert [config.method for config in found] == ["grpo", "grao"]
    table = table_of("sorting")
    for config in found:
        assert (config.seed, config.num_seeds) == table.seeds
        assert config.max_steps == table.steps[-1]
        assert config.eval_steps == table.steps[0]
        assert f"--num-generations-eval {config.num_generations_eval} " in f"{table.flags} "
        assert f"{config.learning_rate:.0e}".replace("e-0", "e-") in table.rates


def test_the_order_on_tables_is_the_report_s():
    report = (HERE.parent / "theory" / "experiments" / "REPORT.md").read_text()
    assert re.search(r"\| adam \| 0\.12 \|", report)
