"""The live bandit: its JavaScript against the package's functions, and what its buttons do, in a real browser."""

import random
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from grao_ref.equations.advantage import group_advantages
from grao_ref.equations.grao import likelihood_weights
from grao_ref.equations.grpo import grpo_advantages
from grao_ref.methods.grao import GRAO
from grao_ref.methods.grpo import GRPO
from grao_ref.methods.neighbours.bar import BAR
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Batch, LogProbs, Rewards, Samples, Tokens
from grao_ref.settings.presets import PRESETS as SETTINGS
from tests.tutorials.pages import CHROMIUM, WIDTHS, browser, opened, problems
from tutorials.live_bandit import NAMES, PRESETS, markup
from tutorials.sources import HERE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]
at_widths = pytest.mark.parametrize("width", WIDTHS)
ALMOST = 1e-12
METHODS = {"GRAO": (GRAO, {}), "GRAO printed": (GRAO, {"imitate_only_when_ahead": False}), "GRPO": (GRPO, {})} | {
    "bar": (BAR, {})
}
IN_JS = """cases => cases.map(({rewards, reference, beta, lam, logits, group, y, rate}) => {
  const bandit = document.querySelector("figure.bandit").bandit;
  const weights = {}, steps = {};
  for (const method in bandit.weights) {
    weights[method] = bandit.weights[method](rewards, reference, beta, lam);
    steps[method] = bandit.step(logits, group, weights[method], y, rate);
  }
  const A = bandit.advantages(rewards, reference);
  return {weights, steps, advantages: A, own: bandit.advantages(rewards, reference, false),
    eq3: bandit.likelihoodWeights(A, beta, lam),
    pi: bandit.softmax(logits), value: bandit.value(logits, logits.map((_, k) => k / 3))};
})"""


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """Writes the figure as a page of the site's style; the JavaScript may be changed."""
    folder = tmp_path_factory.mktemp("bandit")

    def write(preset="eight failing answers", seed=1, old="", new=""):
        whole = markup(preset, seed)
        assert old in whole
        path = folder / f"{preset.replace(' ', '_')}_{seed}_{len(old)}.html"
        style = (HERE / "site" / "site.css").read_text()
        head = f"<meta name=viewport content='width=device-width'><title>x</title><style>{style}</style>"
        path.write_text(
            f"<!DOCTYPE html><html lang=en><meta charset=utf-8>{head}<main>{whole.replace(old, new)}</main></html>"
        )
        return path

    return write


def cases(count=300):
    """Groups whose answers repeat, so with ties; every fourth is dead, below, at or above the reference, and sometimes
    all answers earn as much as the reference.
    """
    rng, made = random.Random(0), []
    for n in range(count):
        size, answers, y = rng.randint(2, 16), rng.randint(2, 10), 1
        levels = rng.choice([[0.0, 0.7, 1.0], [rng.gauss(0, 3) for _ in range(4)], [0.95, 0.3, 0.1]])
        table = [rng.choice(levels) for _ in range(answers)]
        group = [rng.randrange(answers) for _ in range(size)]
        if n % 4 == 0:
            group = [rng.randrange(answers)] * size
        if n % 20 == 0:
            table = [0.95] * answers
        made.append(
            {
                "rewards": [table[answer] for answer in group],
                "reference": table[y],
                "beta": rng.choice([0.0, 0.5, rng.random()]),
                "lam": rng.choice([0.0, 0.6, 2 * rng.random()]),
                "logits": [rng.gauss(0, 2) for _ in range(answers)],
                "group": group,
                "y": y,
                "rate": rng.uniform(0.05, 2),
            }
        )
    return made


def in_python(case):
    """The package's results, as its trainer gets them: a method's advantages, weights and objective, and autograd."""
    outputs, reference = (torch.tensor(case[key], dtype=torch.float64) for key in ("rewards", "reference"))
    A = group_advantages(outputs, reference)
    found = {"advantages": A, "own": grpo_advantages(outputs), "weights": {}, "steps": {}}
    found["eq3"] = likelihood_weights(*A, beta=case["beta"], lam=case["lam"])
    for name, (method, changes) in METHODS.items():
        config = replace(SETTINGS["bandit"], imitation_coef=case["beta"], alignment_coef=case["lam"], **changes)
        found["weights"][name], found["steps"][name] = trained(method, config, case, outputs[None], reference[None])
    logits = torch.tensor(case["logits"], dtype=torch.float64)
    found["pi"] = logits.softmax(-1)
    found["value"] = (found["pi"] * torch.arange(len(logits)) / 3).sum()
    return found


def trained(method, config, case, outputs, reference):
    """w_i and w_y (None where the method writes none), and the logits after a step along its objective's gradient."""
    policy = TabularPolicy(torch.tensor([case["logits"]], dtype=torch.float64))
    prompts = Tokens(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.bool))
    ids, mask = torch.tensor(case["group"])[None, :, None], torch.ones(1, len(case["group"]), 1, dtype=torch.bool)
    y = torch.tensor([[[case["y"]]]])
    log_pi = policy.logprobs(prompts, ids, mask, temperature=1.0)
    log_pi_y = policy.logprobs(prompts, y, mask[:, :1], temperature=1.0)[:, 0]
    rewards = Rewards(outputs, reference, torch.ones_like(outputs, dtype=torch.bool), torch.tensor([True]))
    A = method.advantages(rewards, config)
    batch = Batch(
        prompts,
        Tokens(y[0], mask[:, 0]),
        samples=Samples(ids, mask, log_pi.detach(), ended=mask[..., 0]),
        rewards=rewards,
        advantages=A,
    )
    terms = method.objective(LogProbs(samples=log_pi, references=log_pi_y), batch, config)
    (terms.objective.sum() / method.denominator(batch, config)).backward()
    weights = None if method.weights is None else method.weights(A, rewards, config)
    return weights, policy.theta.detach()[0] + case["rate"] * policy.theta.grad[0]


def apart(js, py):
    """The largest difference of each kind of result over the cases."""
    gaps = {}

    def compare(kind, ours, theirs):
        theirs = theirs.tolist() if torch.is_tensor(theirs) else theirs
        ours, theirs = torch.tensor(ours, dtype=torch.float64), torch.tensor(theirs, dtype=torch.float64)
        assert ours.shape == theirs.shape, kind
        gaps[kind] = max(gaps.get(kind, 0.0), (ours - theirs).abs().max().item())

    for ours, theirs in zip(js, py, strict=True):
        for kind in ("advantages", "eq3"):
            compare(kind, [*ours[kind]["outputs"], ours[kind]["reference"]], [*theirs[kind][0], theirs[kind][1]])
        compare("own", ours["own"]["outputs"], theirs["own"])
        compare("pi", ours["pi"], theirs["pi"])
        compare("value", ours["value"], theirs["value"])
        for name, weights in theirs["weights"].items():
            mine = ours["weights"][name]
            if weights is None:  # GRPO writes an objective; at a ratio of 1 its gradient has these weights
                weights = (theirs["own"][None] / len(theirs["own"]), torch.zeros(1))
            compare(f"weights of {name}", [*mine["outputs"], mine["reference"]], [*weights[0][0], weights[1][0]])
            compare(f"step of {name}", ours["steps"][name], theirs["steps"][name])
    return gaps


@pytest.fixture(scope="module")
def package():
    return [in_python(case) for case in cases()]


def test_the_cases_have_what_can_go_wrong():
    made = cases()
    dead = [case for case in made if len(set(case["rewards"])) == 1]
    for relation in ("__lt__", "__eq__", "__gt__"):
        assert sum(getattr(case["rewards"][0], relation)(case["reference"]) for case in dead) >= 5
    assert sum(1 < len(set(case["rewards"])) < len(case["rewards"]) for case in made) > 50  # ties
    assert {len(case["rewards"]) for case in made} >= {2, 16}


def test_the_page_computes_what_the_package_computes(chromium, page_of, package):
    with opened(chromium, page_of(), 1280) as (page, complaints):
        gaps = apart(page.evaluate(IN_JS, cases()), package)
        assert complaints == []
    assert len(gaps) == 5 + 2 * len(METHODS)
    assert max(gaps.values()) < ALMOST, gaps


@pytest.mark.parametrize(
    ("old", "new", "noticed"),
    [
        ("mean(unit.map((each) => (each - mu) ** 2))", "sum(unit.map((each) => (each - mu) ** 2)) / (unit.length - 1)",
         {"advantages", "own", "weights of GRAO", "step of GRAO", "weights of bar"}),  # the sample deviation
        ("Math.max(w.reference, 0)", "w.reference", {"weights of GRAO", "step of GRAO"}),
        ("reward < reference)", "reward <= reference)", {"weights of bar", "step of bar"}),
        ("(1 + lam) * (each - bar)", "(each - bar)", {"weights of bar", "step of bar"}),
        ("push[y] += w.reference", "push[0] += w.reference", {"step of GRAO", "step of bar"}),
        ("withReference ? members : rewards", "members", {"own", "weights of GRPO", "step of GRPO"}),
    ],
)  # fmt: skip
def test_control_a_planted_mistake_is_noticed(chromium, page_of, package, old, new, noticed):
    with opened(chromium, page_of(old=old, new=new), 1280) as (page, _):
        gaps = apart(page.evaluate(IN_JS, cases()), package)
    assert noticed <= {kind for kind, gap in gaps.items() if gap > 1e-3}
    assert gaps["pi"] < ALMOST


def mulberry32(seed, count):
    """The generator again, in whole numbers of Python."""
    found, full = [], 0xFFFFFFFF
    for _ in range(count):
        seed = (seed + 0x6D2B79F5) & full
        mixed = (seed ^ (seed >> 15)) * (seed | 1) & full
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61) & full)) & full
        found.append((mixed ^ (mixed >> 14)) / 2**32)
    return found


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_the_random_generator_is_mulberry32_and_samples_by_inverse_cdf(chromium, page_of, seed):
    with opened(chromium, page_of(), 1280) as (page, _):
        drawn = page.evaluate(
            """seed => { const {generator, draw} = document.querySelector("figure.bandit").bandit;
            const uniforms = Array.from({length: 4000}, generator(seed));
            return {uniforms, answers: uniforms.map(u => draw([0.25, 0, 0.5, 0.25], u))}; }""",
            seed,
        )
    assert drawn["uniforms"] == mulberry32(seed, 4000)
    expected = [0 if u < 0.25 else 2 if u < 0.75 else 3 for u in drawn["uniforms"]]
    assert drawn["answers"] == expected
    assert abs(sum(drawn["uniforms"]) / 4000 - 0.5) < 4.5 / (12 * 4000) ** 0.5


def bars(page):
    return [span.inner_text() for span in page.locator(".bandit td.pi span").all()]


def press(page, name):
    """By the keyboard."""
    page.locator(f".bandit button[name={name}]").press("Enter")


@at_widths
@pytest.mark.parametrize("preset", PRESETS)
def test_buttons_sample_and_move_the_bars(chromium, page_of, preset, width):
    path = page_of(preset)
    assert problems(chromium, path, width) == []
    with opened(chromium, path, width) as (page, complaints):
        before = bars(page)
        assert len(before) == len(NAMES) * len(PRESETS[preset])
        press(page, "sample")
        assert bars(page) == before, "sampling is not learning"
        assert page.locator("section").first.locator(".samples span").count() == 8
        same = {section.locator(".samples").inner_text() for section in page.locator("section").all()}
        assert len(same) == 1, "the first group is the same for all: one policy, the same random numbers"
        assert "is sampled for step 1" in page.inner_text(".said")
        press(page, "step")
        assert bars(page) != before
        assert page.inner_text(".said").startswith("Step 1.")
        press(page, "run")
        assert page.inner_text(".said").startswith("Step 51.")
        assert "Expected reward after 51 steps" in page.locator(".plot svg").get_attribute("aria-label")
        wide = [page.locator(".bandit").evaluate("box => box.scrollWidth - box.clientWidth")]
        wide += page.locator(".bandit table").evaluate_all(
            "all => all.map(each => each.scrollWidth - each.clientWidth)"
        )
        assert max(wide) <= 1
        press(page, "reset")
        assert bars(page) == before
        assert complaints == []


def test_a_dead_group_is_announced_and_explained(chromium, page_of):
    with opened(chromium, page_of("likely reference"), 360) as (page, _):
        page.locator("details summary").click()
        start = page.locator(".answers input").nth(5)  # of the failing answer
        start.fill("1")
        for n in (1, 3):
            page.locator(".answers input").nth(n).fill("0.001")
            page.locator(".answers input").nth(n).press("Tab")
        assert "Started again" in page.inner_text(".said")
        assert page.locator(".said").get_attribute("aria-live") == "polite"
        press(page, "sample")
        assert "Dead group (all samples earn the same): GRAO repaired, GRAO printed, GRPO, reference as bar." in (
            page.inner_text(".said")
        )
        words = {name: page.locator(f"section[aria-label='{name}'] .words").inner_text() for name in NAMES.values()}
        pull = f"+{(0.5 + 0.6 / 8) * 8**0.5:.2f}"  # on a reference above a group of failures (thm-3)
        assert page.locator("section.dead").count() == 4
        assert words["GRPO"] == "Dead group. All 8 samples earn 0. All weights are 0, so nothing moves."
        for name in ("GRAO repaired", "GRAO printed", "reference as bar"):
            assert words[name].startswith("Dead group. All 8 samples earn 0. Each sample has the weight −")
            assert words[name].endswith(f"= {pull}.")


def test_a_link_repeats_the_state_and_another_seed_does_not(chromium, page_of):
    path = page_of("rare best answer", seed=7)
    with opened(chromium, path, 1280) as (page, _):
        page.locator("[name=G]").press("ArrowRight")
        assert page.locator("[name=G] + output").inner_text() == "9"
        for name in ("run", "step", "sample"):
            press(page, name)
        seen, address = page.inner_text(".methods"), page.locator(".buttons a").get_attribute("href")
        page.goto("about:blank")
        page.goto(path.resolve().as_uri() + address)
        assert page.inner_text(".methods") == seen
        assert page.inner_text(".said") == "Repeated from the link: 51 steps."
        page.goto("about:blank")
        page.goto(path.resolve().as_uri() + address.replace("seed=7", "seed=8"))
        assert page.inner_text(".methods") != seen


def test_every_control_has_a_name(chromium, page_of):
    with opened(chromium, page_of(), 360) as (page, _):
        silent = page.evaluate(
            """() => Array.from(document.querySelectorAll(".bandit input, .bandit select, .bandit button"))
            .filter(each => !(each.labels && each.labels.length ? each.labels[0] : each).textContent.trim()).length"""
        )
        assert silent == 0
