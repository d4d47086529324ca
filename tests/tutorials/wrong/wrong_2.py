"""Answers to the exercises of tutorial 2 as readers get them wrong: `<function>__<what is wrong>`."""


def prediction__the_step_becomes_longer():
    return "longer", "hundredfold"


def prediction__nothing_changes():
    return "same", "same"


def prediction__one_word():
    return ("same",)


def best_baseline__the_value(probabilities, rewards):
    return sum(p * r for p, r in zip(probabilities, rewards, strict=True))


def best_baseline__the_plain_mean(probabilities, rewards):
    return sum(rewards) / len(rewards)


def best_baseline__none(probabilities, rewards):
    return 0.0


def group_objective__as_it_was(logprobs, rewards):
    size = rewards.shape[-1]
    advantages = size / (size - 1) * (rewards - rewards.mean())
    return (advantages.detach() * logprobs).mean()


def group_objective__over_the_prompts(logprobs, rewards):
    size = rewards.shape[-1]
    advantages = size / (size - 1) * (rewards - rewards.mean(0, keepdim=True))
    return (advantages.detach() * logprobs).mean()


def group_objective__without_the_factor(logprobs, rewards):
    return ((rewards - rewards.mean(-1, keepdim=True)) * logprobs).mean()


def group_objective__a_sum(logprobs, rewards):
    size = rewards.shape[-1]
    advantages = size / (size - 1) * (rewards - rewards.mean(-1, keepdim=True))
    return (advantages * logprobs).sum()
