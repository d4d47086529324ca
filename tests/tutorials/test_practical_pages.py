"""The practical pages: their commands are commands, and the broken runs are those of the script that is named."""

import re
import shlex

import pytest

from grao_ref.reward_head import HeadSettings
from grao_ref.settings.evaluation import DEFAULT
from grao_ref.settings.flags import parse, parse_alone
from grao_ref.settings.kinds import kinds_of
from grao_ref.settings.presets import PRESETS
from tutorials import broken_curves as broken
from tutorials.sources import HERE

PAGES = ("choosing_settings", "comparing_methods_fairly", "lora_and_a_gpu_run", "six_broken_curves", "writing_a_reward")
TEXTS = {name: (HERE / "pages" / f"{name}.md").read_text() for name in PAGES}
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BEGINS = re.compile(r"(?:python -m grao_ref\.|grao )(train|evaluate|reward[_-]head) ?(.*)")
ADVISED = re.compile(r"`(--[a-z][\w-]*)")


def commands(text):
    """(command, words) of every line of a block of shell that calls the package."""
    blocks = [block for language, block in FENCED.findall(text) if not language]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [(found[1], shlex.split(found[2])) for line in lines if (found := BEGINS.match(line))]


def read(command, words):
    """What the command's own parser makes of the words; a file of settings is left out, since it is not here."""
    if "--config" in words:
        place = words.index("--config")
        words = words[:place] + words[place + 2 :]
    if command == "train":
        return parse(words, PRESETS, module="grao_ref.train", description="")
    if command == "evaluate":
        return parse_alone(words, DEFAULT, module="grao_ref.evaluate", description="", positional="models")
    return parse_alone(words, HeadSettings(), module="grao_ref.reward_head", description="")


def test_every_command_parses():
    found = [each for text in TEXTS.values() for each in commands(text)]
    assert len(found) >= 8
    assert {command for command, _ in found} >= {"train", "evaluate"}
    for command, words in found:
        read(command, words)


def test_a_command_with_a_wrong_flag_does_not(capsys):
    ((command, words),) = commands("```\ngrao train --use-peft \\\n    --lora-rank 16\n```\n")
    with pytest.raises(SystemExit):
        read(command, words)
    assert "lora-rank" in capsys.readouterr().err


@pytest.mark.parametrize("name", PAGES)
def test_every_flag_in_the_text_exists(name):
    flags = {flag.removeprefix("--").removeprefix("no-").replace("-", "_") for flag in ADVISED.findall(TEXTS[name])}
    assert flags - {*kinds_of(type(PRESETS["tiny"])), "preset", "config"} == set()


def test_the_record_has_the_runs_of_the_script():
    assert {name: (run["changes"], run["reward"]) for name, run in broken.recorded().items()} == {
        name: (run.changes, broken.name_of(run)) for name, run in broken.RUNS.items()
    }


def test_each_broken_run_has_a_picture_its_metrics_and_a_folded_answer():
    curves = TEXTS["six_broken_curves"].split("\n## Curve ")[1:]
    shown = [re.findall(r'broken\.(curve|metrics)\(\s*"(\w+)"', each) for each in curves]
    assert shown == [
        [("curve", name), ("metrics", name)] for name in ("rate", "dead", "printed", "pair", "gamed", "copied", "zero")
    ]
    assert {name for (_, name), _ in shown} == set(broken.RUNS)
    assert all("?" in each.partition("<details>")[0] for each in curves)
    assert all(each.count("<details><summary>Answer</summary>") == 1 == each.count("</details>") for each in curves)


@pytest.mark.parametrize(("seed", "same"), [(0, True), (1, False)])
def test_the_first_step_of_a_recorded_run_comes_out_again(seed, same):
    """The control is another seed."""
    with_two = broken.RUNS["pair"].begin(seed=seed, max_steps=1)
    means = next(with_two).means()
    with_two.close()
    near = [abs(means[name] - broken.at("pair", name, 1)) < 0.02 for name in ("reward", "entropy", "grad_norm")]
    assert all(near) == same
