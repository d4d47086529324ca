"""Drawing a token from logits: the probability of every token, rare ones and those at the ends; and its logarithm."""

from fractions import Fraction

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from grao_ref.policies.drawing import draw, drawer, likeliest, require_drawn

GRID = 2**53  # torch.rand gives multiples of 1 / GRID in float64
LAST = (GRID - 1) / GRID
VOCABULARY = 50_000


def tokens_of(logits, uniforms, temperature=1.0):
    return draw(logits, uniforms, temperature=temperature, likelihood_temperature=temperature)[0]


def float32_tokens(logits, uniforms):
    """The same way of drawing in float32 alone, the obvious code."""
    cumulative = logits.softmax(-1).cumsum(-1)
    at = uniforms.float()[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, at, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def chances(tokens_of, logits, tokens):
    """With which probability each of these tokens is drawn: how many numbers of the grid lead to it, by bisection."""

    def first_that_leads_beyond(tokens):
        low, high = torch.zeros(len(tokens)).long(), torch.full((len(tokens),), GRID)
        while (low < high).any():
            middle = (low + high) // 2
            beyond = tokens_of(logits.expand(len(tokens), -1), middle.double() / GRID) > tokens
            low, high = torch.where(beyond, low, (middle + 1).clamp(max=high)), torch.where(beyond, middle, high)
        return low

    counts = first_that_leads_beyond(tokens) - first_that_leads_beyond(tokens - 1)
    return [count / GRID for count in counts.tolist()]


def with_a_tail(dtype):
    """Logits whose probabilities reach from 0.1 to 1e-13, rare tokens at both ends; and tokens to look at."""
    noise = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(0)) * 3
    noise[[0, 1, 777, VOCABULARY - 2, VOCABULARY - 1]] = torch.tensor([-14.0, -12.0, 11.0, -13.0, -14.0])
    logits = noise.to(dtype)
    order = logits.argsort()
    return logits, torch.cat([torch.tensor([0, 1, VOCABULARY - 1]), order[[2, 20_000, -2, -1]]])


def exact(logits):
    """softmax in 40 digits."""
    with mpmath.workdps(40):
        powers = [mpmath.exp(mpmath.mpf(number)) for number in logits.tolist()]
        whole = mpmath.fsum(powers)
        return [power / whole for power in powers]


def worst(tokens_of, dtype):
    """By how much of itself the probability of a token is missed, at most, once the grid's own step is allowed for."""
    logits, tokens = with_a_tail(dtype)
    right = exact(logits)
    assert min(right[token] for token in tokens) < 1e-12
    drawn = zip(chances(tokens_of, logits, tokens), (right[token] for token in tokens.tolist()), strict=True)
    return max(float(max(abs(chance - p) - 1 / GRID, 0) / p) for chance, p in drawn)


def test_every_token_is_drawn_as_often_as_softmax_says_also_the_rarest_and_those_at_the_ends():
    assert worst(tokens_of, torch.float32) < 1e-5  # what a softmax in float32 errs
    assert worst(tokens_of, torch.float64) < 1e-6  # 2⁻⁶² of a probability of 3e-13


def test_control_sums_in_float32_lose_the_tail():
    """Rare tokens are then never drawn, or thousands of times too often."""
    assert worst(float32_tokens, torch.float32) > 0.9


NUMBERS = st.floats(-60, 60, width=32) | st.just(-float("inf"))
UNIFORMS = st.integers(0, GRID - 1).map(lambda k: k / GRID) | st.sampled_from([0.0, 2**-53, 0.5, LAST])


@given(st.lists(NUMBERS, min_size=1, max_size=12).filter(lambda row: max(row) > -60), UNIFORMS)
def test_the_token_is_the_one_whose_piece_of_the_line_the_number_falls_on(row, uniform):
    """A loop over exact fractions."""
    logits = torch.tensor([row])
    token = int(tokens_of(logits, torch.tensor([uniform], dtype=torch.float64)))
    pieces = [Fraction(p) for p in logits.softmax(-1)[0].tolist()]
    at, before = Fraction(uniform) * sum(pieces), sum(pieces[:token])
    assert before - Fraction(1, 2**50) <= at < before + pieces[token] + Fraction(1, 2**50)
    assert pieces[token] > 0


@pytest.mark.parametrize("uniform", [0.0, LAST])
@pytest.mark.parametrize("hidden", [[0], [0, 1], [3], [2, 3], [0, 3], [1, 2]])
def test_a_token_of_probability_0_is_never_drawn(hidden, uniform):
    logits = torch.zeros(2, 4)
    logits[0, hidden] = -float("inf")
    logits[1, hidden] = -200.0  # of which softmax makes 0 in float32
    left = [token for token in range(4) if token not in hidden]
    expected = left[0] if uniform == 0 else left[-1]
    assert tokens_of(logits, torch.full((2,), uniform, dtype=torch.float64)).tolist() == [expected] * 2


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_evenly_spaced_numbers_give_every_token_its_share(temperature):
    logits = torch.tensor([0.0, 1.0, -2.0, 1.0, -float("inf"), 3.0])  # a tie among them
    size = 4096
    uniforms = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    counts = tokens_of(logits.expand(size, -1), uniforms, temperature).bincount(minlength=6)
    torch.testing.assert_close(counts / size, (logits / temperature).softmax(-1), rtol=0, atol=1.01 / size)


def test_the_numbers_of_a_generator_give_the_distribution_at_every_position():
    """Chi-square, on draws of each of three positions; the control is the same distribution, a little warmer."""
    logits = torch.tensor([0.0, 1.0, -2.0, 1.0, 2.0])
    answers = 40_000
    choose = drawer(answers, 3, torch.Generator().manual_seed(0), temperature=1.0, likelihood_temperature=1.0)
    drawn = torch.stack([choose(logits.expand(answers, -1), torch.arange(answers), t)[0] for t in range(3)])
    for tokens in drawn:
        counts = tokens.bincount(minlength=5).numpy()
        assert chisquare(counts, logits.double().softmax(-1).numpy() * answers).pvalue > 0.01
        assert chisquare(counts, (logits.double() / 1.1).softmax(-1).numpy() * answers).pvalue < 1e-6
    assert (drawn[0] != drawn[1]).any()
    assert (drawn[1] != drawn[2]).any()


def test_an_answer_s_token_depends_on_its_own_number_alone():
    """Whichever answers are still in the batch, in whatever order, and however many tokens were drawn before."""
    logits = torch.randn(6, 50, generator=torch.Generator().manual_seed(1))

    def choose():
        return drawer(6, 4, torch.Generator().manual_seed(0), temperature=0.7, likelihood_temperature=0.7)

    expected = [choose()(logits, torch.arange(6), t) for t in range(4)]
    some = torch.tensor([4, 1, 5])
    for t in range(4):
        tokens, logprobs = choose()(logits[some], some, t)
        assert torch.equal(tokens, expected[t][0][some])
        assert torch.equal(logprobs, expected[t][1][some])
    assert not torch.equal(expected[0][0], expected[1][0])  # control


def numbers_behind(first_tokens):
    """The uniform numbers, by bisection: the first of two tokens is drawn where its probability is larger."""
    low, high = torch.zeros(20, dtype=torch.float64), torch.ones(20, dtype=torch.float64)
    for _ in range(50):
        middle = (low + high) / 2
        larger = first_tokens(torch.stack([middle.log(), (1 - middle).log()], dim=-1)) == 0
        low, high = torch.where(larger, low, middle), torch.where(larger, middle, high)
    return middle


def test_uniform_numbers_have_the_53_bits_that_rare_tokens_need():
    def drawn(logits):
        choose = drawer(20, 1, torch.Generator().manual_seed(0), temperature=1.0, likelihood_temperature=1.0)
        return choose(logits, torch.arange(20), 0)[0]

    def coarsely(logits):
        return tokens_of(logits, torch.rand(20, generator=torch.Generator().manual_seed(0)).double())

    def on_the_grid_of_float32(numbers):
        return ((numbers * 2**24 - (numbers * 2**24).round()).abs() < 1e-4).sum()

    assert on_the_grid_of_float32(numbers_behind(drawn)) == 0
    assert on_the_grid_of_float32(numbers_behind(coarsely)) == 20


def test_what_a_generator_is_asked_for_depends_on_the_number_of_answers_and_their_length():
    states = []
    for answers, length in [(6, 4), (6, 4), (6, 5)]:
        rng = torch.Generator().manual_seed(0)
        drawer(answers, length, rng, temperature=1.0, likelihood_temperature=1.0)
        states.append(rng.get_state())
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.parametrize(("temperature", "scored_at"), [(1.0, 1.0), (0.7, 0.7), (0.7, 1.0), (1.0, 3.0)])
def test_the_log_probability_is_as_exact_as_log_softmax(temperature, scored_at):
    """Also of large logits, where z − log Σ exp(z), the control, loses three digits."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(400, 1000, generator=rng) * 6 + 3000
    uniforms = torch.rand(400, generator=rng, dtype=torch.float64)
    tokens, logprobs = draw(logits, uniforms, temperature=temperature, likelihood_temperature=scored_at)

    def error(logprobs):
        right = (logits.double() / scored_at).log_softmax(-1).gather(-1, tokens[:, None])
        return (logprobs - right[:, 0]).abs().max()

    allowed = 2 * error((logits / scored_at).log_softmax(-1).gather(-1, tokens[:, None])[:, 0])
    assert logprobs.dtype == torch.float32
    assert error(logprobs) <= allowed
    assert allowed < 2e-3
    if temperature == scored_at == 1:
        assert allowed < 5e-6
        assert error((logits.gather(-1, tokens[:, None]) - logits.logsumexp(-1, keepdim=True))[:, 0]) > 10 * allowed


def test_the_likeliest_token_is_scored_at_temperature_1():
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, -1.0, 5.0]])
    tokens, logprobs = likeliest(logits)
    assert tokens.tolist() == [1, 0]
    torch.testing.assert_close(logprobs, logits.log_softmax(-1)[[0, 1], tokens])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_no_distribution_are_named_afterwards(bad):
    logits = torch.randn(4, 30, generator=torch.Generator().manual_seed(0))
    logits[2, 7] = bad
    choose = drawer(4, 1, torch.Generator().manual_seed(0), temperature=1.0, likelihood_temperature=1.0)
    tokens, logprobs = choose(logits, torch.arange(4), 0)
    assert ((tokens >= 0) & (tokens < 30)).all()  # a model can be given them
    with pytest.raises(ValueError, match="NaN or infinite: prompt 1, sample 0, token 0"):
        require_drawn(logprobs.view(2, 2, 1))
    require_drawn(logprobs[:2].view(1, 2, 1))  # control
