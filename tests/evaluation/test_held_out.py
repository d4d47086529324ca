"""Held-out prompts: the same for a whole run and after it, none of them trained on, scored in any pieces alike."""

from dataclasses import replace

import pytest
import torch

from grao_ref.evaluation.held_out import EVALUATION_SEED
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from tests.language import save_model, save_rows, texts

SMALL = Config(max_eval_prompts=12, per_device_train_batch_size=16, num_generations=4)


@pytest.fixture(scope="module")
def setup():
    return prepare(SMALL)


def test_a_tenth_of_sorting_s_prompts_is_held_out_and_none_is_trained_on(setup):
    held_out = setup.evaluation.held_out.task
    assert (len(held_out.examples), len(setup.task.examples)) == (400, 3600)
    prompts = {tuple(example.prompt) for example in held_out.examples}
    assert len(prompts) == 400
    assert not prompts & {tuple(example.prompt) for example in setup.task.examples}
    assert len(setup.evaluation.held_out.batch) == 12  # of which max_eval_prompts are answered


def test_texts_are_prompts_and_references_without_what_ends_them(setup):
    prompts, references = setup.evaluation.held_out.texts()
    for prompt, reference in zip(prompts, references, strict=True):
        assert prompt.endswith("=")
        assert sorted(reference) == sorted(prompt[:-1])  # its digits, without the closing "."


def test_every_call_draws_the_same_answers(setup):
    held_out, policy = setup.evaluation.held_out, setup.policy

    def drawn(temperature=1.0, group=2):
        return [s.ids for _, s in held_out.sampled(policy, num_generations=group, temperature=temperature, size=5)]

    first = drawn()
    torch.rand(3)  # whatever else is drawn in between
    assert all(torch.equal(a, b) for a, b in zip(first, drawn(), strict=True))
    assert [ids.shape[:2] for ids in first] == [(5, 2), (5, 2), (2, 2)]
    assert len({tuple(row.tolist()) for row in first[0][0]}) == 2  # control: at temperature 1 answers differ
    greedy = drawn(temperature=0, group=2)
    assert [ids.shape[1] for ids in greedy] == [1, 1, 1]
    assert EVALUATION_SEED == 10_000  # no run has it


def test_every_part_has_random_numbers_of_its_own(setup):
    """The same prompt in two parts is answered differently: the generator is seeded once, not for each part."""
    held_out = setup.evaluation.held_out
    twice = replace(held_out, batch=held_out.task.rows([0] * 8))
    first, second = (s for _, s in twice.sampled(setup.policy, num_generations=4, temperature=1.0, size=4))
    shared = min(first.ids.shape[-1], second.ids.shape[-1])
    assert not torch.equal(first.ids[..., :shared], second.ids[..., :shared])


def test_the_prompts_answered_stand_beside_their_answers(setup):
    held_out = setup.evaluation.held_out
    parts = [part for part, _ in held_out.sampled(setup.policy, num_generations=2, temperature=1.0, size=5)]
    assert torch.equal(torch.cat([part.rows for part in parts]), held_out.batch.rows)
    assert all(part.rejected is None for part in parts)


def test_references_are_scored_in_any_pieces_alike(setup):
    held_out = setup.evaluation.held_out
    whole, scored = held_out.reference_rewards(12)
    assert scored.all()
    torch.testing.assert_close(whole, torch.full((12,), 4 / 6))  # one pair of neighbours swapped
    torch.testing.assert_close(held_out.reference_rewards(5)[0], whole)


def test_the_score_is_the_mean_over_every_answer_to_every_prompt(setup):
    several = prepare(Config(max_eval_prompts=12, num_generations_eval=3, per_device_train_batch_size=16,
                             num_generations=4))  # fmt: skip
    held_out, rewards = several.evaluation.held_out, []
    for part, answers in held_out.sampled(several.policy, num_generations=3, temperature=1.0, size=12):
        assert answers.ids.shape[:2] == (12, 3)
        rewards.append(held_out.rewards(part, answers)[0])
    assert several.evaluation.score().item() == pytest.approx(torch.cat(rewards).mean().item())
    assert several.evaluation.score().item() != setup.evaluation.score().item()  # control: one answer each is another


def test_answers_without_a_reward_are_ignored_in_the_score(tmp_path):
    rows, model = save_rows(tmp_path / "rows.jsonl", texts()), save_model(tmp_path / "model")
    config = Config(
        model_name_or_path=model, dataset_name=rows, reward_funcs=("tests.language.sometimes",), max_eval_prompts=4,
        num_generations_eval=16, per_device_train_batch_size=64,
    )  # fmt: skip
    evaluation = prepare(config).evaluation
    held_out = evaluation.held_out
    ((part, answers),) = held_out.sampled(evaluation.policy, num_generations=16, temperature=1.0, size=4)
    rewards, scored = held_out.rewards(part, answers)
    assert not scored.all()
    assert scored.any()
    assert evaluation.score().item() == pytest.approx(rewards[scored].mean().item())
    assert evaluation.score().item() != pytest.approx(rewards.mean().item())  # control: not as if it were 0
