"""The sides do the work that they are timed for: our own loop, GRAO's gradient, the same number of trained tokens."""

import io
import json
from dataclasses import replace

import pytest
import torch

from grao_ref.training.loop import train
from tests.benchmarks import floor, ours
from tests.benchmarks.materials import materials, reward, score
from tests.benchmarks.pace import Pace
from tests.benchmarks.workload import PARTS, TINY, Workload, lengths_of
from tests.parity.conftest import trl_problem
from tests.parity.tiny import FOREIGN_WARNINGS

SMALL = Workload(TINY, prompts=3, prompt_length=6, group=4, length=5)
RAGGED = Workload("random-64", prompts=2, prompt_length=5, group=4, length=12, ragged=True)
needs_trl = pytest.mark.skipif(trl_problem() is not None, reason=trl_problem() or "")


def steps(run, workload: Workload, count: int = 2, **chosen):
    """What a side answered to `count` orders for a step, and the model that it trained."""
    orders = io.StringIO("".join(json.dumps({"do": "step"}) + "\n" for _ in range(count)))
    answers, made = io.StringIO(), materials(workload)
    pace = Pace(orders, answers, workload)
    try:
        torch.manual_seed(0)
        run(pace, made, **chosen)
    finally:
        pace.finish()
    said = [json.loads(line) for line in answers.getvalue().splitlines()]
    return [each for each in said if "seconds" in each], made.model


def trl(pace, made, **chosen):
    """TRL's side, imported where it is used."""
    from tests.benchmarks import theirs

    theirs.run(pace, made, **chosen)


EVERY = [
    pytest.param(ours.run, {"method": "grao"}, id="grao"),
    pytest.param(ours.run, {"method": "grpo"}, id="grpo"),
    pytest.param(floor.run, {"method": "grao"}, id="floor"),
    pytest.param(floor.run, {"method": "grpo"}, id="floor-grpo"),
    pytest.param(trl, {}, id="trl", marks=[needs_trl, FOREIGN_WARNINGS]),
    pytest.param(trl, {"products": True}, id="trl-products", marks=[needs_trl, FOREIGN_WARNINGS]),
]


PAGED = pytest.param(
    ours.run, {"method": "grao", "paged": True}, SMALL, id="paged"
)  # ends can't be forced in its pages


@pytest.mark.parametrize(
    ("run", "chosen", "workload"),
    [
        *(
            pytest.param(*side.values, workload, id=f"{side.id}-{name}", marks=side.marks)
            for side in EVERY
            for name, workload in (("equal", SMALL), ("ragged", RAGGED))
        ),
        PAGED,
    ],
)
def test_every_side_trains_on_the_tokens_that_were_asked_for_and_shows_all_its_parts(run, chosen, workload):
    made, model = steps(run, workload, **chosen)
    assert [step["tokens"] for step in made] == [workload.tokens] * 2
    for step in made:
        assert all(step["parts"][part] > 0 for part in PARTS)
        assert sum(step["parts"].values()) <= step["seconds"]
    before = materials(workload).model
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


@needs_trl
@FOREIGN_WARNINGS
def test_trl_with_its_defaults_checkpoints_and_computes_in_bfloat16_and_its_fastest_form_does_not(tmp_path):
    from tests.benchmarks import theirs

    slow = theirs.config_of(SMALL, str(tmp_path), defaults=True)
    fast = theirs.config_of(SMALL, str(tmp_path), defaults=False)
    assert (slow.gradient_checkpointing, slow.bf16, slow.lr_scheduler_type) == (True, True, "linear")
    assert (fast.gradient_checkpointing, fast.bf16, fast.lr_scheduler_type) == (False, False, "constant")
    assert theirs.config_of(replace(SMALL, bf16=True), str(tmp_path), defaults=False).bf16
    for config in (slow, fast):
        assert (config.per_device_train_batch_size, config.num_generations, config.max_completion_length) == (12, 4, 5)
        assert config.beta == 0
        assert config.optim == "adamw_torch_fused"


@pytest.mark.parametrize("method", ["grao", "grpo"])
def test_our_side_is_the_package_s_own_training_to_the_last_bit(method):
    """The clock's wrapping changes nothing: the same model comes out of `train`. Control: one step more."""
    _, timed = steps(ours.run, SMALL, method=method)
    trained = {}
    for count in (2, 3):
        made = materials(SMALL)
        policy, task, config = ours.parts(method, SMALL, made)
        for _ in train(task, policy, replace(config, max_steps=count)):
            pass
        trained[count] = list(made.model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(timed.parameters(), trained[2], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(timed.parameters(), trained[3], strict=True))


def gradients(method: str, of: str):
    """Of one step of the package (clipped) and of the floor's loss on the same samples, each as one vector."""
    made = materials(SMALL)
    policy, task, config = ours.parts(method, SMALL, made)
    batch = next(train(task, policy, replace(config, max_grad_norm=0.0, learning_rate=1e-30))).batch
    package = torch.cat([p.grad.flatten() for p in made.model.parameters()])
    order = batch.rows.tolist()  # the task shuffles its rows
    shuffled = replace(made, prompts=[made.prompts[i] for i in order], references=[made.references[i] for i in order])
    bare = floor.Floor(of, SMALL, shuffled)
    ids, mask = batch.samples.ids.flatten(0, 1), batch.samples.mask.flatten(0, 1)
    made.model.zero_grad()
    bare.loss(ids, mask, *bare.weights(ids, mask)).backward()
    return package, torch.cat([p.grad.flatten() for p in made.model.parameters()])


@pytest.mark.parametrize("method", ["grao", "grpo"])
def test_the_floor_s_gradient_is_the_package_s(method):
    """The bare loop leaves no work out. Control: the gradient of the other method."""
    package, bare = gradients(method, method)
    assert (package - bare).norm() < 1e-5 * package.norm()
    package, other = gradients(method, "grao" if method == "grpo" else "grpo")
    assert (package - other).norm() > 0.01 * package.norm()


def test_references_are_ahead_of_their_groups_so_that_grao_trains_on_them_in_every_step():
    for workload in (SMALL, RAGGED):
        made = materials(workload)
        best = max(score([token] * 4) for token in range(1, 12, 2))
        assert min(map(score, made.references)) > best
    assert reward(prompts=["a", "b"], completions=["", ""]) == [0.0, 0.0]


def test_ragged_answers_have_the_lengths_asked_for_also_where_ended_rows_leave_the_batch():
    """Samplers that drop ended rows, pad them (the floor) and feed them what is drawn. Control: without the hooks."""
    from tests.benchmarks.endings import END, Endings

    made = materials(RAGGED)
    bare = floor.Floor("grao", RAGGED, made)

    @torch.no_grad()
    def dropping():
        ids, done = bare.prompts.repeat_interleave(RAGGED.group, 0), []
        width = ids.shape[1]
        for place in range(RAGGED.length):  # without a cache: the embedding sees the whole row at every token
            seen = ids if place == 0 else ids[:, -1:]
            logits = made.model.get_output_embeddings()(made.model.get_input_embeddings()(seen))[:, -1]
            ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1)], 1)
            ended = ids[:, -1] == END
            done += [len(row) - width for row in ids[ended]]
            ids = ids[~ended]
        return sorted(done + [RAGGED.length] * len(ids))

    @torch.no_grad()
    def feeding_on():
        """Ended rows stay, and are given what is drawn for them."""
        ids = bare.prompts.repeat_interleave(RAGGED.group, 0)
        width = ids.shape[1]
        for place in range(RAGGED.length):
            seen = ids if place == 0 else ids[:, -1:]
            logits = made.model.get_output_embeddings()(made.model.get_input_embeddings()(seen))[:, -1]
            ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1)], 1)
        return ids[:, width:]

    free = dropping()
    ends = Endings(made.model, lengths_of(RAGGED))
    assert ends.around(dropping)() == lengths_of(RAGGED)
    kept = bare.mask(ends.around(bare.generate)()).sum(1)
    assert sorted(kept.tolist()) == lengths_of(RAGGED)
    fed = bare.mask(ends.around(feeding_on)()).sum(1)
    assert sorted(fed.tolist()) == lengths_of(RAGGED)
    assert free != lengths_of(RAGGED)
    assert bare.mask(bare.generate()).sum() != RAGGED.tokens
    assert torch.isfinite(made.model(bare.prompts).logits).all(), "outside of sampling the logits are left alone"
