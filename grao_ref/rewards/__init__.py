"""Reward functions with TRL's signature: checkers, reward models, judges, and the scorer that runs them."""
