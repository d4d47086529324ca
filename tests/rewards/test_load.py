"""Names, folders and dotted paths become functions; everything else is a one-line error with the nearest name."""

import builtins
import sys

import pytest
import torch

from grao_ref.data.load import load_rows
from grao_ref.rewards.judge import Judge, JudgeSettings
from grao_ref.rewards.load import load_scorer
from grao_ref.rewards.model import Head, HeadReward, ModelReward
from tests.rewards.tiny import causal_folder, classifier_folder

MODULE = """
from functools import partial

limit = 3

class Grader:
    def __call__(self, completions):
        return [2.0] * len(completions)

def length(completions, **columns):
    return [len(completion) for completion in completions]

grader, halved = Grader(), partial(length, scale=0.5)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A user's module in the current directory, which is not on the path."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users_rewards.py").write_text(MODULE)
    yield "users_rewards"
    sys.modules.pop("users_rewards", None)


def score(*names, **settings):
    columns = {"solution": ["4", "4"]}
    return load_scorer(names, **settings)(["2 + 2 ="] * 2, ["4", "5"], references=["4", "4"], columns=columns)


def test_built_in_names():
    assert score("exact", "final_number", weights=[1.0, 2.0]).total == [3.0, 0.0]
    assert list(load_scorer(["final_number"]).functions) == ["final_number"]


def test_reasoning_gym_is_scored_by_its_own_rule():
    pytest.importorskip("reasoning_gym", reason="the extra [reasoning] is not installed")
    rows = load_rows("reasoning-gym:gcd", config="size=3")
    columns = {name: [row.columns[name] for row in rows] for name in rows[0].columns}
    prompts, references = [row.prompt for row in rows], [row.reference for row in rows]
    scorer = load_scorer(["reasoning_gym"])
    assert scorer.probe(prompts, references, columns).parts == {"reasoning_gym": [1.0, 1.0, 1.0]}
    wrong = [reference.replace("</answer>", "7</answer>") for reference in references]
    assert scorer(prompts, wrong, references=references, columns=columns).total == [0.0, 0.0, 0.0]


def test_judges_take_their_settings():
    settings = JudgeSettings(base_url="http://127.0.0.1:9/v1", model="m")
    scorer = load_scorer(["judge_helpful", "judge_harmless"], judge=settings)
    assert list(scorer.functions) == ["judge_helpful", "judge_harmless"]
    for name, judge in scorer.functions.items():
        assert isinstance(judge, Judge)
        assert name.endswith(judge.criterion)
        judge.close()


def test_dotted_paths_are_found_from_the_current_directory(module):
    scores = score(f"{module}.length", f"{module}.grader", f"{module}.halved")
    assert scores.parts == {"length": [1.0, 1.0], "Grader": [2.0, 2.0], "length_2": [1.0, 1.0]}


def test_folders_are_models_or_heads(tmp_path):
    model = causal_folder(tmp_path / "model")
    Head(torch.ones(32), 0.0, {"model_name_or_path": str(model)}).save(tmp_path / "kind.head")
    classifier = classifier_folder(tmp_path / "judge")
    scorer = load_scorer([str(tmp_path / "kind.head"), str(classifier)], device=torch.device("cpu"), batch_size=3)
    head, reward = scorer.functions.values()
    assert list(scorer.functions) == ["kind.head", "judge"]
    assert isinstance(head, HeadReward)
    assert isinstance(reward, ModelReward)
    assert (head.batch_size, reward.batch_size) == (3, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exat", "unknown reward function 'exat'; did you mean exact?"),
        ("judge_helpfull", "unknown reward function 'judge_helpfull'; did you mean judge_helpful?"),
        ("qqq", "unknown reward function 'qqq'; it has to be one of exact, final_number"),
        ("", "unknown reward function ''"),
        ("no/such/folder", "unknown reward function 'no/such/folder'"),
        ("nobody/nothing", "no reward model could be loaded from 'nobody/nothing'"),
        ("nowhere_at_all.reward", "nowhere_at_all can't be imported: ModuleNotFoundError"),
        ("users_rewards.lenght", r"users_rewards has no 'lenght'; did you mean length\?"),
        ("users_rewards.zzzzz", "users_rewards has no 'zzzzz'; no name in it is like it"),
        ("users_rewards.limit", "'users_rewards.limit' is of type int; name a function"),
        ("users_rewards.Grader", "'users_rewards.Grader' is a class; name a function"),
    ],
)
@pytest.mark.usefixtures("module")
def test_names_that_lead_nowhere(name, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_scorer([name])
    assert "\n" not in str(caught.value)


def test_a_module_that_breaks_when_it_is_imported(module, tmp_path):
    (tmp_path / "users_rewards.py").write_text("1 / 0")
    with pytest.raises(ValueError, match=r"users_rewards can't be imported: ZeroDivisionError: division by zero"):
        load_scorer([f"{module}.length"])


def test_weights_are_checked_before_anything_is_loaded():
    with pytest.raises(ValueError, match=r"2 reward functions \(exact, nobody/nothing\) got 1 weights"):
        load_scorer(["exact", "nobody/nothing"], weights=[1.0])
    with pytest.raises(ValueError, match="weight of reward function 'exact' must be a finite number, got nan"):
        load_scorer(["exact"], weights=[float("nan")])
    with pytest.raises(ValueError, match="at least one reward function is needed"):
        load_scorer([])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("No module named 'openai'", name="openai"), "an LLM judge needs the openai client: pip"),
        (ImportError("libssl is gone"), "the package openai is installed and can't be imported: ImportError: libssl"),
    ],
)
def test_a_judge_s_client_that_is_broken_is_not_called_missing(error, message, monkeypatch):
    from grao_ref.rewards.judge import Judge, JudgeSettings

    real = builtins.__import__

    def broken(name, *arguments, **options):
        if name == "openai":
            raise error
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(ValueError, match=message):
        Judge("helpful", JudgeSettings(base_url="http://localhost:1/v1", model="m"))
