"""Rows and a reward for a real model where no preference data is at hand: made up, and marked as such."""

from tests.language import save_rows

THINGS = ("the harbour", "a winter morning", "an old bridge", "the night train", "a small garden", "bread", "the tide")
ASKED = ("Describe {} in one sentence.", "What do you think of when you hear of {}?", "Say something about {}.")
GOOD = "There is not much to say about {}, and what there is can be said in a few plain words."
BAD = "Well, when it comes to {}, one could go on, and on, and on!"


def save(path, count=200):
    """Preference pairs as JSON lines: a short chosen answer, a long rejected one."""
    rows = []
    for number in range(count):
        thing = f"{THINGS[number % len(THINGS)]}, number {number}"
        prompt = ASKED[number % len(ASKED)].format(thing)
        turns = {
            name: [{"role": "assistant", "content": text.format(thing)}]
            for name, text in (("chosen", GOOD), ("rejected", BAD))
        }
        rows.append({"prompt": [{"role": "user", "content": prompt}], **turns})
    return save_rows(path, rows)


def brevity(completions, **columns):
    """Short answers without exclamation marks: one number that differs between nearly all answers."""
    texts = [answer if isinstance(answer, str) else answer[-1]["content"] for answer in completions]
    return [-len(text) / 100 - text.count("!") for text in texts]
