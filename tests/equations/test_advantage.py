"""eq-4 and thm-2: group-relative advantages, in both readings of the pool."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from grao_ref import group_advantages
from grao_ref.equations.advantage import scored_advantages, standardize
from grao_ref.equations.grpo import grpo_advantages
from tests.equations import twins
from tests.strategies import FLOATS, GARBAGE, Group, group_sizes, groups, noise, seeds, spoil, tensors

POOLS = ("with_reference", "outputs")
pools = st.sampled_from(POOLS)


def pool_of(group: Group, pool: str) -> torch.Tensor:
    """The rewards that μ and σ run over."""
    members = torch.cat([group.rewards, group.reference_reward[..., None]], -1)
    return members if pool == "with_reference" else group.rewards


def pooled_advantages(group: Group, pool: str) -> torch.Tensor:
    """The advantages of the members of the pool."""
    outputs, reference = group_advantages(group.rewards, group.reference_reward, pool=pool)
    return torch.cat([outputs, reference[..., None]], -1) if pool == "with_reference" else outputs


def is_flat(rewards: torch.Tensor) -> torch.Tensor:
    return rewards.amax(-1) == rewards.amin(-1)


def test_eq_4_on_paper():
    # rewards 1, 0, 0, 0 and a reference of 1: μ = 2/5, σ² = 6/25
    outputs, reference = group_advantages(
        torch.tensor([1.0, 0, 0, 0], dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    )
    up, down = 3 / math.sqrt(6), -2 / math.sqrt(6)
    torch.testing.assert_close(outputs, torch.tensor([up, down, down, down], dtype=torch.float64))
    torch.testing.assert_close(reference, torch.tensor(up, dtype=torch.float64))
    # over the outputs alone: μ = 1/4, σ² = 3/16
    outputs, reference = group_advantages(
        torch.tensor([1.0, 0, 0, 0], dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64), pool="outputs"
    )
    up, down, y = 3 / math.sqrt(3), -1 / math.sqrt(3), 1 / math.sqrt(3)
    torch.testing.assert_close(outputs, torch.tensor([up, down, down, down], dtype=torch.float64))
    torch.testing.assert_close(reference, torch.tensor(y, dtype=torch.float64))


@given(groups(), pools)
def test_eq_4_is_its_plain_python_twin(group, pool):
    outputs, reference = group_advantages(group.rewards, group.reference_reward, pool=pool)
    size = group.rewards.shape[-1]
    rows = zip(
        group.rewards.reshape(-1, size),
        group.reference_reward.reshape(-1),
        outputs.reshape(-1, size),
        reference.reshape(-1),
        strict=True,
    )
    for rewards, reference_reward, A_o, A_y in rows:
        expected_o, expected_y = twins.advantages(rewards.tolist(), reference_reward.item(), pool)
        assert A_o.tolist() == pytest.approx([float(a) for a in expected_o], rel=1e-9, abs=1e-12)
        assert A_y.item() == pytest.approx(float(expected_y), rel=1e-9, abs=1e-12)


@given(groups(), pools)
def test_pool_has_mean_0_and_mean_square_1(group, pool):
    flat = is_flat(pool_of(group, pool))
    advantages = pooled_advantages(group, pool)
    torch.testing.assert_close(advantages.sum(-1), torch.zeros_like(flat, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(advantages.square().mean(-1), (~flat).double(), atol=1e-9, rtol=0)


@given(groups(), pools)
def test_thm_2_bound_on_the_pool_and_on_its_mean(group, pool):
    advantages = pooled_advantages(group, pool)
    assert advantages.abs().max() <= math.sqrt(advantages.shape[-1] - 1) * (1 + 1e-12)
    assert advantages.abs().mean(-1).max() <= 1 + 1e-12  # so the gradient is bounded whatever G is


@given(group_sizes, st.floats(0.01, 100), st.floats(-10, 10), st.sampled_from([1, -1]))
def test_thm_2_bound_is_attained_by_one_against_the_rest(size, gap, level, side):
    rewards = torch.full((size,), level, dtype=torch.float64)
    reference = torch.tensor(level + side * gap, dtype=torch.float64)
    outputs, reference_advantage = group_advantages(rewards, reference)
    # thm-3: every sample equal, the reference ahead or behind, Â_y = ±√G and Â_oi = ∓1/√G
    assert reference_advantage.item() == pytest.approx(side * math.sqrt(size), rel=1e-9)
    assert outputs.tolist() == pytest.approx([-side / math.sqrt(size)] * size, rel=1e-9)


def test_thm_2_reference_is_unbounded_outside_its_pool():
    far = torch.tensor(-1e6, dtype=torch.float64)
    assert group_advantages(torch.tensor([0, 1], dtype=torch.float64), far, pool="outputs")[1].item() == -2e6 - 1
    rewards, reference = torch.tensor([1, 1, 1, 0.999], dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    assert group_advantages(rewards, reference, pool="outputs")[1].item() == pytest.approx(-1154.123, abs=1e-3)
    assert abs(group_advantages(rewards, reference, pool="with_reference")[1].item()) <= 2


@given(group_sizes, st.floats(-60_000, 60_000, width=16), st.sampled_from(FLOATS), pools)
@example(7, 0.95, torch.float32, "outputs")  # the naive deviation is 4e-4 here, and A = −2075
@example(10, 0.1, torch.float64, "with_reference")  # the mean of ten 0.1s is not 0.1
def test_flat_pool_is_exactly_0_in_every_dtype(size, level, dtype, pool):
    rewards = torch.full((3, size), level).to(dtype)
    outputs, reference = group_advantages(rewards, rewards[:, 0].clone(), pool=pool)
    assert outputs.dtype == reference.dtype == dtype
    assert torch.equal(outputs, torch.zeros_like(outputs))
    assert torch.equal(reference, torch.zeros_like(reference))


def test_control_torch_std_of_a_constant_group_is_often_not_0():
    assert torch.full((7,), 0.95).std(correction=0) > 0


@given(groups())
def test_flat_outputs_give_0_though_the_reference_differs(group):
    rewards = torch.zeros_like(group.rewards)
    outputs, reference = group_advantages(rewards, group.reference_reward + 10, pool="outputs")
    assert not outputs.any()
    assert not reference.any()
    assert group_advantages(rewards, group.reference_reward + 10)[1].min() > 1  # control: with it, they are not 0


@given(groups(), pools, st.integers(-1000, 1000))
def test_shift_of_all_rewards_changes_nothing(group, pool, shift):
    rewards, reference = (group.rewards * 64).round() / 64, (group.reference_reward * 64).round() / 64  # exact sums
    before = group_advantages(rewards, reference, pool=pool)
    after = group_advantages(rewards + shift, reference + shift, pool=pool)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


@given(groups(), pools, st.floats(1e-3, 1e3))
def test_positive_scale_changes_nothing_and_a_negative_one_the_sign(group, pool, scale):
    rewards, reference = (
        (group.rewards * 64).round() / 64,
        (group.reference_reward * 64).round() / 64,
    )  # no ties by ulps
    before = group_advantages(rewards, reference, pool=pool)
    after = group_advantages(rewards * scale, reference * scale, pool=pool)
    mirrored = group_advantages(-rewards, -reference, pool=pool)
    for i in range(2):
        torch.testing.assert_close(after[i], before[i], rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(mirrored[i], -before[i], rtol=1e-6, atol=1e-7)


@given(groups(), pools, st.randoms(use_true_random=False))
def test_permuting_the_group_permutes_its_advantages(group, pool, random):
    order = list(range(group.rewards.shape[-1]))
    random.shuffle(order)
    outputs, reference = group_advantages(group.rewards, group.reference_reward, pool=pool)
    permuted, same = group_advantages(group.rewards[..., order], group.reference_reward, pool=pool)
    torch.testing.assert_close(permuted, outputs[..., order], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(same, reference, rtol=1e-9, atol=1e-12)


@given(group_sizes, st.integers(2, 5), st.data())
def test_groups_do_not_see_each_other(size, prompts, data):
    rewards = data.draw(tensors((prompts, size), -5, 5))
    reference = data.draw(tensors((prompts,), -5, 5))
    changed = rewards.clone()
    changed[0] = torch.linspace(0, 1, size)
    before, after = (group_advantages(r, reference, pool="with_reference") for r in (rewards, changed))
    assert torch.equal(before[0][1:], after[0][1:])
    assert torch.equal(before[1][1:], after[1][1:])


@given(groups(), pools)
def test_better_reward_means_greater_advantage(group, pool):
    rewards = (group.rewards * 64).round() / 64  # two rewards an ulp apart may round to one advantage
    outputs, _ = group_advantages(rewards, group.reference_reward, pool=pool)
    better = rewards[..., :, None] > rewards[..., None, :]
    assert ((outputs[..., :, None] > outputs[..., None, :]) == better).all()


@given(groups(), pools)
def test_advantages_carry_no_gradient(group, pool):
    rewards = group.rewards.clone().requires_grad_()
    outputs, reference = group_advantages(rewards, rewards[..., 0] * 2, pool=pool)
    assert not outputs.requires_grad
    assert not reference.requires_grad


@given(group_sizes, st.sampled_from(FLOATS[:3]), st.integers(0, 99), pools)
def test_low_precision_is_the_float64_result_rounded(size, dtype, seed, pool):
    rewards, reference = noise((2, size), seed, dtype), noise((2,), seed + 1, dtype)
    rounded = group_advantages(rewards, reference, pool=pool)
    exact = group_advantages(rewards.double(), reference.double(), pool=pool)
    for low, high in zip(rounded, exact, strict=True):
        assert low.dtype == dtype
        torch.testing.assert_close(low.double(), high, rtol=2 * torch.finfo(dtype).eps + 1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_no_size_of_rewards_overflows_or_vanishes(scale):
    rewards, reference = torch.tensor([1, 2, 4], dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64)
    for pool in POOLS:
        usual = group_advantages(rewards, reference, pool=pool)
        extreme = group_advantages(rewards * scale, reference * scale, pool=pool)
        torch.testing.assert_close(extreme, usual)


def test_nearly_equal_rewards_are_told_apart():
    rewards = torch.tensor([0.1, 0.1, 0.1, math.nextafter(0.1, 1)], dtype=torch.float64)
    outputs = grpo_advantages(rewards)
    torch.testing.assert_close(outputs, grpo_advantages(torch.tensor([0, 0, 0, 1.0], dtype=torch.float64)))


@given(groups())
def test_grpo_advantage_is_eq_4_over_the_outputs(group):
    outputs, _ = group_advantages(group.rewards, group.reference_reward, pool="outputs")
    assert torch.equal(grpo_advantages(group.rewards), outputs)


def test_standardize_measures_values_against_another_pool():
    values, pool = torch.tensor([5.0, -1.0], dtype=torch.float64), torch.tensor([0.0, 2.0], dtype=torch.float64)
    assert standardize(values, pool).tolist() == [4.0, -2.0]  # μ = 1, σ = 1


@pytest.mark.parametrize(
    ("rewards", "reference", "pool", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(3), "outputs", r"reference_reward must have shape (2,), got (3,)"),
        (torch.zeros(2, 3), torch.zeros(1), "outputs", r"reference_reward must have shape (2,), got (1,)"),
        (torch.zeros(2, 3), torch.tensor(0.0), "outputs", r"reference_reward must have shape (2,), got ()"),
        (
            torch.zeros(2, 1),
            torch.zeros(2),
            "outputs",
            r"rewards must end in a group of at least 2 samples, got shape (2, 1)",
        ),
        (
            torch.tensor(1.0),
            torch.tensor(1.0),
            "outputs",
            r"rewards must end in a group of at least 2 samples, got shape ()",
        ),
        (
            torch.tensor([0, 1]),
            torch.tensor(1.0),
            "outputs",
            r"rewards must be a floating-point tensor, got a torch.int64",
        ),
        ([0.0, 1.0], torch.tensor(1.0), "outputs", r"rewards must be a floating-point tensor, got list"),
        (torch.zeros(2), 1.0, "outputs", r"reference_reward must be a floating-point tensor, got float"),
        (
            torch.tensor([[0.0, 1], [math.nan, 2]]),
            torch.zeros(2),
            "outputs",
            r"rewards must be finite, got nan at index (1, 0)",
        ),
        (torch.zeros(2), torch.tensor(-math.inf), "outputs", r"reference_reward must be finite, got -inf at index ()"),
        (torch.zeros(2), torch.tensor(0.0), "all", r"pool must be one of with_reference, outputs; got 'all'"),
        (
            torch.tensor([-3e38, 3e38]),
            torch.tensor(0.0),
            "outputs",
            "rewards must give advantages that torch.float32 can hold, got an overflow: "
            "their span, or the reference's distance from the outputs' pool, is too large",
        ),
    ],
)
def test_bad_input_is_named(without_shape_checks, rewards, reference, pool, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 the message is compared in full below
        group_advantages(rewards, reference, pool=pool)
    assert message in str(error.value)


def test_standardize_and_grpo_advantages_name_bad_input(without_shape_checks):
    inf, nan = torch.tensor([math.inf, 0.0]), torch.tensor([math.nan, 0.0])
    cases = [
        (
            lambda: grpo_advantages(torch.zeros(3, 1)),
            r"rewards must end in a group of at least 2 samples, got shape \(3, 1\)",
        ),
        (lambda: grpo_advantages(inf), r"rewards must be finite, got inf at index \(0,\)"),
        (lambda: grpo_advantages(nan), r"rewards must be finite, got nan at index \(0,\)"),
        (lambda: grpo_advantages(torch.tensor([1, 2])), "rewards must be a floating-point tensor"),
        (lambda: standardize(torch.zeros(4, 2), torch.zeros(1, 2)), r"pool must have shape \(4, 2\), got \(1, 2\)"),
        (lambda: standardize(torch.zeros(2, 2), torch.zeros(2, 0)), r"pool must have shape \(2, 1\), got \(2, 0\)"),
        (lambda: standardize(torch.zeros(()), torch.zeros(2)), "values must have at least 1 dimensions"),
        (lambda: standardize(torch.zeros(2), torch.zeros(())), "pool must have at least 1 dimensions"),
        (lambda: standardize([0.0], torch.zeros(2)), "values must be a floating-point tensor, got list"),
        (lambda: standardize(torch.zeros(2), [0.0]), "pool must be a floating-point tensor, got list"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=rf"^{message}"):
            call()


def test_eq_4_of_what_could_be_scored():
    """By hand: some outputs unscored, all of them, all but one, and the reference."""
    scored = torch.tensor([[True, True, False], [False] * 3, [False, True, False], [True] * 3, [False] * 3])
    reference_scored = torch.tensor([True, True, True, False, False])
    rewards = spoil(torch.tensor([[0.0, 1, 9], [9, 9, 9], [9, 1, 9], [0, 1, 1], [9, 9, 9]]), scored)
    reference = spoil(torch.tensor([0.5, 0.5, 0, 9, 9]), reference_scored)
    A_o, A_y = scored_advantages(rewards, reference, scored=scored, reference_scored=reference_scored)
    root = 1.5**0.5
    torch.testing.assert_close(A_o[0], torch.tensor([-root, root, 0.0]))
    assert A_y[0] == 0
    assert (A_o[1] == 0).all()  # nothing to compare the reference with: a pool of one is flat
    assert A_y[1] == 0
    assert A_o[2].tolist() == [0, 1, 0]  # one output and the reference
    assert A_y[2] == -1
    torch.testing.assert_close(A_o[3], torch.tensor([-(2**0.5), 0.5**0.5, 0.5**0.5]))  # the outputs among themselves
    assert A_y[3] == 0
    assert (A_o[4] == 0).all()  # nothing at all
    assert A_y[4] == 0
    A_o, A_y = scored_advantages(rewards, reference, scored=scored, reference_scored=reference_scored, pool="outputs")
    torch.testing.assert_close(A_o[3], torch.tensor([-(2**0.5), 0.5**0.5, 0.5**0.5]))
    assert A_o[[0, 1, 2, 4]].tolist() == [[-1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert A_y.tolist() == [0, 0, 0, 0, 0]


@given(groups(st.integers(3, 8)), st.sampled_from(GARBAGE), seeds, pools)
def test_eq_4_of_the_scored_ones_is_eq_4_without_the_others(group, garbage, seed, pool):
    scored = noise(group.rewards.shape, seed) > 0
    scored[..., :2] = True
    mask = {"scored": scored, "reference_scored": torch.ones_like(scored[..., 0])}
    A_o, A_y = scored_advantages(spoil(group.rewards, scored, garbage), group.reference_reward, pool=pool, **mask)
    assert (A_o[~scored] == 0).all()
    size = scored.shape[-1]
    rows = (x.reshape(-1, *x.shape[group.reference_reward.dim() :]) for x in (group.rewards, scored, A_o))
    for rewards, kept, outputs, y, advantage in zip(
        *rows, group.reference_reward.reshape(-1), A_y.reshape(-1), strict=True
    ):
        assert len(rewards) == size
        alone_o, alone_y = group_advantages(rewards[kept], y, pool=pool)
        torch.testing.assert_close(outputs[kept], alone_o, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(advantage, alone_y, rtol=1e-9, atol=1e-9)


@given(groups(st.integers(2, 8)), seeds, pools)
def test_eq_4_without_the_reference_s_reward_is_eq_4_over_the_outputs(group, seed, pool):
    lost = noise(group.reference_reward.shape, seed) > 0
    A_o, A_y = scored_advantages(
        group.rewards,
        spoil(group.reference_reward, ~lost),
        scored=torch.ones_like(group.rewards, dtype=torch.bool),
        reference_scored=~lost,
        pool=pool,
    )
    outputs, _ = group_advantages(group.rewards, torch.zeros_like(group.reference_reward), pool="outputs")
    whole_o, whole_y = group_advantages(group.rewards, group.reference_reward, pool=pool)
    torch.testing.assert_close(A_o, torch.where(lost[..., None], outputs, whole_o), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(A_y, torch.where(lost, 0, whole_y), rtol=1e-9, atol=1e-9)


@given(groups(), st.sampled_from(FLOATS), pools)
def test_eq_4_of_what_was_all_scored_is_eq_4_to_the_bit(group, dtype, pool):
    rewards, reference = group.rewards.to(dtype), group.reference_reward.to(dtype)
    scored = torch.ones_like(rewards, dtype=torch.bool)
    found = scored_advantages(rewards, reference, scored=scored, reference_scored=scored[..., 0], pool=pool)
    for advantages, expected in zip(found, group_advantages(rewards, reference, pool=pool), strict=True):
        assert advantages.dtype == dtype
        assert torch.equal(advantages, expected)


def test_an_unscored_answer_neither_overflows_nor_carries_a_gradient():
    rewards = torch.tensor([1e-40, 2e-40, 3e38], requires_grad=True)
    reference = torch.tensor(0.0, requires_grad=True)
    scored = torch.tensor([True, True, False])
    A_o, A_y = scored_advantages(rewards, reference, scored=scored, reference_scored=torch.tensor(False))
    assert A_o.tolist() == [-1, 1, 0]
    assert A_y == 0
    assert not A_o.requires_grad
    assert not A_y.requires_grad


def test_bad_scored_rewards_and_unknown_pools_are_still_named(without_shape_checks):
    mask = {"scored": torch.tensor([True, False]), "reference_scored": torch.tensor(True)}
    zero = torch.tensor(0.0)
    for number in (torch.inf, torch.nan):
        with pytest.raises(ValueError, match=rf"^rewards must be finite, got {number} at index \(0,\)"):
            scored_advantages(torch.tensor([number, 0.0]), zero, **mask)
        with pytest.raises(ValueError, match=rf"^reference_reward must be finite, got {number} at index \(\)"):
            scored_advantages(torch.zeros(2), torch.tensor(number), **mask)
    with pytest.raises(ValueError, match=r"^pool must be one of with_reference, outputs; got 'all'"):
        scored_advantages(torch.tensor([0.0, torch.nan]), zero, pool="all", **mask)
    with pytest.raises(ValueError, match=r"^scored must have shape \(3,\), got \(2,\)"):
        scored_advantages(torch.zeros(3), zero, **mask)
    with pytest.raises(ValueError, match=r"^reference_scored must have shape \(\), got \(2,\)"):
        scored_advantages(torch.zeros(2), zero, scored=mask["scored"], reference_scored=mask["scored"])
