"""GRAO from scratch (tutorial 3): at most 100 lines, on its own feet, and the same numbers as the package."""

import ast
from dataclasses import replace
from functools import cache

import pytest
import torch

from grao_ref.equations.advantage import group_advantages
from grao_ref.policies.embedded import tiny_model
from grao_ref.rewards.sorting import sorting
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.training.loop import train
from tests.tutorials import scratch

TEXT = scratch.text()
SETTINGS = replace(PRESETS["tiny"], per_device_train_batch_size=16, max_steps=2, seed=5)  # 2 prompts a step
ITS_OWN = {"torch", "torch.nn.functional", "transformers", "grao_ref.policies.embedded"}


def test_it_has_at_most_100_lines_of_code():
    assert 50 < scratch.lines_of_code(TEXT) <= 100


def test_control_every_line_of_code_counts():
    assert (
        scratch.lines_of_code('"""Said."""\n# why\n\nx = (\n    1\n)\n\n\ndef f():\n    """Said."""\n    return x\n')
        == 5
    )


def test_it_imports_torch_a_model_and_the_folder_of_its_weights_alone():
    nodes = list(ast.walk(ast.parse(TEXT)))
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert modules == ITS_OWN
    ours = [n for n in nodes if isinstance(n, ast.ImportFrom) and str(n.module).startswith("grao_ref")]
    assert [alias.name for node in ours for alias in node.names] == ["tiny_folder"]


def test_its_loop_is_visible():
    """At the top level of a cell, with sampling and the update in it."""
    (loop,) = [node for node in ast.parse(TEXT).body if isinstance(node, ast.For)]
    called = {n.func.id for n in ast.walk(loop) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert {"draw", "sample", "update"} <= called


def flat(tensors):
    return torch.cat([each.detach().flatten() for each in tensors])


@cache
def steps_of_the_package(repaired):
    """Two steps of its loop, where half of the references are beaten: of each the batch, objective and gradient."""
    config = replace(SETTINGS, imitate_only_when_ahead=repaired)
    package = prepare(config)
    return [
        (report.batch, -report.means()["loss"], flat(p.grad for p in package.policy.model.parameters()))
        for report in train(Beaten(package.task), package.policy, config)
    ]


def replay(names, *, repaired, ours_repaired=None):
    """The page on the package's samples: the largest differences of the objective, and of the gradient (relative)."""
    ours = tiny_model()
    adam = torch.optim.Adam(ours.parameters(), lr=SETTINGS.learning_rate)
    of_objective, of_gradient = [], []
    for batch, objective, gradient in steps_of_the_package(repaired):
        total = names["update"](
            ours,
            adam,
            batch.prompts.ids,
            names["pad"](batch.prompts.ids[:, :5].sort(-1).values, (0, 1), value=11),
            batch.references.ids,
            batch.samples.ids.flatten(0, 1),
            batch.samples.mask.flatten(0, 1),
            repaired if ours_repaired is None else ours_repaired,
        )
        of_objective.append(abs(total - objective))
        of_gradient.append(((flat(p.grad for p in ours.parameters()) - gradient).norm() / gradient.norm()).item())
    return max(of_objective), max(of_gradient)


class Beaten:
    """The sorting task in which every second reference has no right digit, so that samples beat it at once."""

    independent_prompts = False

    def __init__(self, task):
        self.task, self.reward_weights = task, task.reward_weights

    def draw(self, rng, step=1):
        batch = self.task.draw(rng, step)
        ids = batch.references.ids.clone()
        ids[::2, :5] = (batch.prompts.ids[::2, :5].sort(-1).values + 1) % 10
        return replace(batch, references=replace(batch.references, ids=ids))

    def reward(self, batch, ids, mask):
        return self.task.reward(batch, ids, mask)

    def reward_references(self, batch):
        return self.task.reward(batch, batch.references.ids[:, None], batch.references.mask[:, None])


@pytest.mark.parametrize("repaired", [True, False])
def test_it_computes_what_the_package_s_loop_computes(repaired):
    of_objective, of_gradient = replay(scratch.functions(), repaired=repaired)
    assert of_objective < 1e-5
    assert of_gradient < 1e-4


PLANTED = {
    "λ doubled": ("LAM = 8, 0.5, 0.6", "LAM = 8, 0.5, 1.2"),
    "the shift forgotten": ("prompts.shape[1] - 1 : -1]", "prompts.shape[1] :]"),
    "a sum for the mean": (".sum(-1) / mask.sum(-1)", ".sum(-1)"),
    "the sample deviation": ("correction=0", "correction=1"),
    "the reference outside the pool": ("pool.mean(-1, keepdim=True)", "R.mean(-1, keepdim=True)"),
    "alignment mirrored": ("(J - J_y[:, None])", "(J_y[:, None] - J)"),
    "the sign": ("(-total)", "(total)"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_control_a_planted_bug_is_noticed(name):
    change = PLANTED[name]
    assert max(replay(scratch.functions(change), repaired=False)) > 1e-2  # a longer gradient is clipped


def test_control_printed_and_repaired_differ_here():
    assert replay(scratch.functions(), repaired=True, ours_repaired=False)[1] > 1e-2


def test_its_reward_and_advantages_are_the_package_s():
    names = scratch.functions()
    rng = torch.Generator().manual_seed(0)
    prompts, best, references = names["draw"](50, rng)
    whole = torch.ones_like(references, dtype=torch.bool)
    answers, mask = names["sample"](tiny_model(), prompts, rng)

    def texts(ids, real):
        return ["".join("0123456789="[t] for t in row[kept] if t != 11) for row, kept in zip(ids, real, strict=True)]

    solutions = texts(best, whole)
    for ids, real in ((references, whole), (answers, mask)):
        ended = (ids.where(real, 0) == 11).any(-1)  # the package's reward reads text, which shows no END
        expected = torch.tensor(sorting(texts(ids, real), solution=solutions))
        assert torch.allclose(names["reward"](ids, real, best)[ended], expected[ended])
    R, R_y = torch.rand(20, 8, generator=rng), torch.rand(20, generator=rng)
    R[0], R_y[0] = 0.95, 0.95  # flat
    for mine, theirs in zip(names["advantages"](R, R_y), group_advantages(R, R_y), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_its_references_have_one_swap():
    names = scratch.functions()
    prompts, best, references = names["draw"](50, torch.Generator().manual_seed(0))
    assert ((references != best).sum(-1) == 2).all()
    assert (prompts[:, :5].sort(-1).values == best[:, :5]).all()


def test_an_answer_ends_with_its_end_token():
    names = scratch.functions()
    rng = torch.Generator().manual_seed(1)
    prompts, *_ = names["draw"](40, rng)
    answers, mask = names["sample"](tiny_model(), prompts, rng)
    for ids, real in zip(answers.tolist(), mask.sum(-1).tolist(), strict=True):
        assert real == (ids.index(11) + 1 if 11 in ids else len(ids))
