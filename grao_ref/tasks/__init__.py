"""Tasks: prompts, their references, and the reward of an answer."""
