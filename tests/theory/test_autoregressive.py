"""The exact update of a table for every prefix: brute force, by hand, differences; one token is the bandit."""

import itertools
import re

import numpy as np
import pytest

from tests.equations import twins
from theory.autoregressive import ExactTree, Tree
from theory.claims import exp_temperature, thm_12
from theory.exact import ExactBandit

POOLS = ("with_reference", "outputs")


def drawn(tree, seed=0, size=2, **change):
    rng = np.random.default_rng(seed)
    bandit = ExactBandit(rng.random(len(tree.answers)), 1, size, **change)
    return bandit, rng.normal(size=(len(tree.prefixes), tree.vocabulary))


def by_loops(exact, logits):
    """E[ĝ] over all K^G groups, with nothing but loops over tokens."""
    tree, bandit, total = exact.tree, exact.bandit, np.zeros_like(logits)

    def softmax(prefix, tau):
        row = np.exp(logits[tree.prefixes.index(prefix)] / tau)
        return row / row.sum()

    def probability(answer):
        return np.prod([softmax(answer[:t], exact.sampled_at)[token] for t, token in enumerate(answer)])

    def score(answer):
        table = np.zeros_like(logits)
        for t, token in enumerate(answer):
            row = tree.prefixes.index(answer[:t])
            table[row] -= softmax(answer[:t], exact.scored_at) / exact.scored_at
            table[row, token] += 1 / exact.scored_at
        return table / (len(answer) if exact.mean else 1)

    for group in itertools.product(range(len(tree.answers)), repeat=bandit.group_size):
        A_o, A_y = twins.advantages([bandit.rewards[k] for k in group], bandit.rewards[1], bandit.pool)
        w_y = float(bandit.beta * A_y - bandit.lam * sum(A_o) / len(group))
        g = w_y * score(tree.answers[1])
        for k, a in zip(group, A_o, strict=True):
            g = g + float((1 + bandit.lam) * a / len(group)) * score(tree.answers[k])
        total += np.prod([probability(tree.answers[k]) for k in group]) * g
    return total


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize(("length", "end"), [(2, None), (3, 0)])
def test_it_is_the_sum_over_every_group_by_loops(pool, mean, length, end):
    tree = Tree(2, length, end)
    bandit, logits = drawn(tree, pool=pool)
    for scored_at in (1.0, 0.7):
        exact = ExactTree(tree, bandit, 0.7, scored_at, mean)
        assert exact.update(logits) == pytest.approx(by_loops(exact, logits), abs=1e-12)
    assert np.abs(exact.update(logits) - ExactTree(tree, bandit, 0.7, 1.0, mean).update(logits)).max() > 1e-3


@pytest.mark.parametrize("pool", POOLS)
def test_one_token_is_the_bandit(pool):
    tree = Tree(4, 1)
    bandit, logits = drawn(tree, size=8, pool=pool)
    assert ExactTree(tree, bandit).update(logits)[0] == pytest.approx(bandit.update(logits[0]), abs=1e-14)
    assert ExactTree(tree, bandit).gradient(logits)[0] == pytest.approx(bandit.gradient(logits[0]), abs=1e-14)


def test_the_gradient_is_that_of_the_value():
    tree = Tree(2, 3, end=1)
    bandit, logits = drawn(tree)
    exact, h = ExactTree(tree, bandit, sampled_at=0.7), 1e-5
    steps = h * np.eye(logits.size).reshape(-1, *logits.shape)
    slopes = [(exact.value(logits + step) - exact.value(logits - step)) / (2 * h) for step in steps]
    assert exact.gradient(logits).flatten() == pytest.approx(np.array(slopes), abs=1e-9)


def test_a_tree_by_hand():
    tree = Tree(2, 3, end=0)
    assert tree.answers == ((0,), (1, 0), (1, 1, 0), (1, 1, 1))
    assert tree.prefixes == ((), (1,), (1, 1))
    assert tree.lengths.tolist() == [1, 2, 3, 3]
    assert tree.passes.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert np.exp(tree.log_likelihoods(np.zeros((3, 2)))) == pytest.approx([1 / 2, 1 / 4, 1 / 8, 1 / 8])


def test_thm_12_two_tokens_by_hand():
    # π(0) = 1/2 at every prefix: tempering changes nothing, so there is no bias. With other logits there is.
    tree = Tree(2, 2)
    bandit = ExactBandit(np.array([1.0, 0.0, 0.0, 0.0]), 0, 2, 0.0, 0.0, "outputs")
    for logits, biased in ((np.zeros((3, 2)), False), (np.array([[1.0, 0.0]] * 3), True)):
        one, other = (ExactTree(tree, bandit, 0.7, scored_at).update(logits) for scored_at in (1.0, 0.7))
        assert (np.abs(one - 0.7 * other).max() > 1e-3) == biased
        assert np.abs(one[0] - 0.7 * other[0]).max() < 1e-12  # the first token's weights sum to 0


def test_thm_12_the_bias_is_of_more_than_one_token_in_outputs_and_of_any_when_pooled():
    assert thm_12.bias(Tree(2, 1), 4, **thm_12.GRPO).max() < 1e-12
    assert thm_12.bias(Tree(2, 2), 4, **thm_12.GRPO).min() > 1e-3
    assert thm_12.bias(Tree(2, 1), 4).min() > 1e-4
    assert exp_temperature.mismatch("with_reference", 0.7, 0.0) == pytest.approx(0.011, abs=5e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tree(1, 2), "at least 2 tokens and 1 position, got 1 and 2"),
        (lambda: Tree(2, 2, end=2), "end must be one of the 2 tokens, got 2"),
        (lambda: Tree(10, 6), "10^6 answers are more than 5000"),
        (lambda: ExactTree(Tree(2, 2), ExactBandit(np.arange(3.0), 0)), "4 answers, rewards of shape (3,)"),
        (lambda: ExactTree(Tree(2, 1), ExactBandit(np.arange(2.0), 0, temperature=0.7)), "set sampled_at"),
        (lambda: ExactTree(Tree(2, 1), ExactBandit(np.arange(2.0), 0), 0.0), "finite and > 0, got 0.0 and 1.0"),
        (lambda: Tree(2, 1).policy(np.zeros((2, 2))), "logits must be finite, (1, 2), got (2, 2)"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
