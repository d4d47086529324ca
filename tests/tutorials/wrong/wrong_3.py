"""Answers to the exercises of tutorial 3 as readers get them wrong: `<function>__<what is wrong>`."""

import torch


def prediction__a_small_gap_counts_less():
    return "smaller", "zero"


def prediction__the_limit_is_reached():
    return "same", "same"


def prediction__one_word():
    return ("same",)


def mean_log_likelihood__as_it_was(logits, ids, mask, prompt_length):
    logprobs = logits[:, prompt_length:].log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return torch.where(mask, logprobs, 0).sum(-1) / mask.sum(-1)


def mean_log_likelihood__two_places_earlier(logits, ids, mask, prompt_length):
    logprobs = logits[:, prompt_length - 2 : -2].log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return torch.where(mask, logprobs, 0).sum(-1) / mask.sum(-1)


def mean_log_likelihood__over_the_width(logits, ids, mask, prompt_length):
    logprobs = logits[:, prompt_length - 1 : -1].log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return torch.where(mask, logprobs, 0).mean(-1)


def settings__as_they_were():
    return {"group_size": 8, "learning_rate": 0.2, "beta": 0.5, "lam": 0.6}


def settings__no_imitation():
    return {"group_size": 25, "learning_rate": 1.0, "beta": 0.0, "lam": 0.0}


def settings__one_large_group():
    return {"group_size": 500, "learning_rate": 5.0, "beta": 0.1, "lam": 0.0}


def settings__a_name_of_the_package():
    return {"num_generations": 8, "learning_rate": 1.0, "beta": 0.1, "lam": 0.0}


def settings__a_negative_weight():
    return {"group_size": 8, "learning_rate": 1.0, "beta": -0.1, "lam": 0.0}


def settings__a_larger_rate_alone():
    return {"group_size": 8, "learning_rate": 0.4, "beta": 0.5, "lam": 0.6}


def settings__a_rate_far_too_large():
    return {"group_size": 8, "learning_rate": 50.0, "beta": 0.5, "lam": 0.6}
