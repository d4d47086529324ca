"""The warning of thm-4: a run whose references become ever less likely."""

from grao_ref.methods.registry import method_of
from grao_ref.settings.config import Config

SINKING = 2.0  # nats per token that the references may lose before a run is warned of thm-4


class Alarm:
    """Warns once when the references' log-likelihood has lost more than `SINKING` nats per token."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.raised = False

    def check(self, loglik: float, config: Config) -> str | None:
        """The warning, the first time that it is due."""
        self.first = loglik if self.first is None else self.first
        if (
            self.raised
            or "imitate_only_when_ahead" not in method_of(config.method).reads
            or self.first - loglik <= SINKING
        ):
            return None
        self.raised = True
        cure = (
            "it is already the repaired objective, so look at the learning rate"
            if config.imitate_only_when_ahead
            else "--imitate-only-when-ahead leaves a beaten reference alone"
        )
        return (
            f"warning: the references' log-likelihood has sunk from {self.first:.2f} to {loglik:.2f} nats per token, "
            f"by more than {SINKING} (thm-4): {cure}"
        )
