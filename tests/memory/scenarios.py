"""Runs whose memory is measured and compared with the estimate: random models of 10 to 80 million parameters."""

from dataclasses import asdict, dataclass, field
from typing import Any

from transformers import LlamaConfig

from grao_ref.data.rows import Row
from grao_ref.settings.config import Config

PROMPT, ANSWER = 64, 48  # tokens


@dataclass(frozen=True)
class Scenario:
    """Sizes of a model, tokens of its rows, and the settings of a run."""

    name: str
    layers: int = 4
    width: int = 512
    vocabulary: int = 50_000
    tied: bool = True
    prompt: int = PROMPT
    answer: int = ANSWER
    settings: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For the record, and for the command line of the process that is measured."""
        return asdict(self)

    def config(self) -> Config:
        """The settings of the run: by default GRAO, two prompts a step with eight answers each."""
        return Config(
            **{
                "per_device_train_batch_size": 16,
                "per_device_eval_batch_size": 4,
                "max_completion_length": self.answer,
                "max_eval_prompts": 4,
                "max_steps": 2,
                "learning_rate": 1e-5,
                "device": "cpu",
            }
            | self.settings
        )

    def architecture(self) -> LlamaConfig:
        """The model's config."""
        return LlamaConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            intermediate_size=3 * self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=8,
            num_key_value_heads=4,
            max_position_embeddings=2048,
            tie_word_embeddings=self.tied,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=None,
        )

    def rows(self, count: int, first: int = 0) -> list[Row]:
        """Rows of numbered words, a token each, all equally long."""

        def text(start: int, length: int) -> str:
            return " ".join(f"w{2 + (start + step) % (self.vocabulary - 2)}" for step in range(length))

        return [
            Row(text(97 * n, self.prompt), text(31 * n + 5, self.answer - 1), text(57 * n + 3, self.answer - 1))
            for n in range(first, first + count)
        ]


SCENARIOS = [
    Scenario("grao"),
    Scenario("grao, deep", layers=10, width=384, vocabulary=16_000),
    Scenario("grao, gradient checkpointing", layers=10, settings={"gradient_checkpointing": True}),
    Scenario("grao, four micro-batches", settings={"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4}),
    Scenario("grao, long answers", layers=6, vocabulary=8_000, answer=256, settings={"per_device_train_batch_size": 8}),
    Scenario("grao, long prompts", layers=6, vocabulary=16_000, prompt=384, answer=32),
    Scenario("grao, adapter", layers=8, settings={"use_peft": True}),
    Scenario("grao, adapter on bfloat16", settings={"use_peft": True, "dtype": "bfloat16"}),
    Scenario("grpo with a reference model", settings={"method": "grpo", "beta": 0.1}),
    Scenario("sft", layers=6, settings={"method": "sft", "per_device_train_batch_size": 8}),
    Scenario("ppo", settings={"method": "ppo", "num_generations": 4, "per_device_train_batch_size": 8}),
    Scenario("grao, plain gradient ascent", settings={"optimizer": "sgd", "num_generations": 16}),
    Scenario("grao, evaluation of 64 answers", settings={"per_device_eval_batch_size": 64, "max_eval_prompts": 64,
                                                         "per_device_train_batch_size": 8}),
]  # fmt: skip
