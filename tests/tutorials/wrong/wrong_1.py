"""Answers to the exercises of tutorial 1 as readers get them wrong: `<function>__<what is wrong>`."""

from math import log, sqrt


def advantages__without_the_reference(rewards, reference_reward):
    mean = sum(rewards) / len(rewards)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in rewards) / len(rewards))
    return [(reward - mean) / deviation for reward in rewards], (reference_reward - mean) / deviation


def advantages__sample_deviation(rewards, reference_reward):
    pool = [*rewards, reference_reward]
    mean = sum(pool) / len(pool)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in pool) / len(rewards))
    *samples, reference = [(reward - mean) / deviation for reward in pool]
    return samples, reference


def advantages__tests_the_deviation_for_zero(rewards, reference_reward):
    pool = [*rewards, reference_reward]
    mean = sum(pool) / len(pool)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in pool) / len(pool))
    *samples, reference = [(reward - mean) / deviation if deviation else 0.0 for reward in pool]
    return samples, reference


def advantages__one_list(rewards, reference_reward):
    pool = [*rewards, reference_reward]
    mean = sum(pool) / len(pool)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in pool) / len(pool))
    return [(reward - mean) / deviation for reward in pool]


def mean_log_likelihood__divides_by_the_padded_length(probabilities, mask):
    logs = [log(probability) for probability, real in zip(probabilities, mask, strict=True) if real]
    return sum(logs) / len(mask)


def mean_log_likelihood__log_of_the_padding(probabilities, mask):
    logs = [log(probability) * real for probability, real in zip(probabilities, mask, strict=True)]
    return sum(logs) / sum(mask) if any(mask) else 0.0


def mean_log_likelihood__sum(probabilities, mask):
    return sum(log(probability) for probability, real in zip(probabilities, mask, strict=True) if real)


def mean_log_likelihood__log_of_the_mean(probabilities, mask):
    kept = [probability for probability, real in zip(probabilities, mask, strict=True) if real]
    return log(sum(kept) / len(kept)) if kept else 0.0


def mean_log_likelihood__nothing_for_no_token(probabilities, mask):
    logs = [log(probability) for probability, real in zip(probabilities, mask, strict=True) if real]
    return sum(logs) / len(logs) if logs else None


def objective__imitation_over_the_group(J, J_y, advantages, reference_advantage, beta, lam):
    size = len(J)
    exploration = sum(A * each for A, each in zip(advantages, J, strict=True)) / size
    imitation = reference_advantage * J_y / size
    alignment = sum(A * (each - J_y) for A, each in zip(advantages, J, strict=True)) / size
    return exploration, imitation, alignment, exploration + beta * imitation + lam * alignment


def objective__terms_already_weighted(J, J_y, advantages, reference_advantage, beta, lam):
    size = len(J)
    exploration = sum(A * each for A, each in zip(advantages, J, strict=True)) / size
    imitation = beta * reference_advantage * J_y
    alignment = lam * sum(A * (each - J_y) for A, each in zip(advantages, J, strict=True)) / size
    return exploration, imitation, alignment, exploration + imitation + alignment


def objective__the_total_alone(J, J_y, advantages, reference_advantage, beta, lam):
    size = len(J)
    exploration = sum(A * each for A, each in zip(advantages, J, strict=True)) / size
    alignment = sum(A * (each - J_y) for A, each in zip(advantages, J, strict=True)) / size
    return exploration + beta * reference_advantage * J_y + lam * alignment


def advantages__something_added_to_the_deviation(rewards, reference_reward):
    pool = [*rewards, reference_reward]
    mean = sum(pool) / len(pool)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in pool) / len(pool))
    *samples, reference = [(reward - mean) / (deviation + 1e-6) for reward in pool]
    return samples, reference
