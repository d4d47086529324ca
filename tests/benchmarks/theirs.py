"""The side that is TRL 1.16: its GRPOTrainer, in its own loop; a callback lets it take one step at a time.

`FAST` is what makes it fastest here. Read in TRL 1.16:
- no gradient checkpointing (its default costs a second forward pass), no bfloat16 unless the workload asks for it;
- beta 0, its default: no reference model, no second scoring pass;
- steps_per_generation = gradient_accumulation_steps = num_iterations = 1: no log-probabilities of the old policy are
  computed; the whole batch is one micro-batch;
- nothing is logged, saved or reported, a constant learning rate, no shuffling, no pinned memory, no worker processes;
- AdamW is fused (its default), log-probabilities are computed in tiles without the full logits (always), generation is
  Hugging Face's with a dynamic cache, as the default has it;
- a static cache was slower on SmolLM2 and the embedded model, and no faster on the random ones.
Not used: vLLM, which needs a GPU and a package of its own; transformers' continuous batching, whose cache takes most of
the memory (on a machine of 24 GiB the system ended it); torch.compile, which no side uses. A prompt is prefilled once
for each of its samples: TRL has no other way.
"""

import tempfile

import torch
import transformers
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from grao_ref.policies.products import use_faster_products
from tests.benchmarks.endings import END, Endings
from tests.benchmarks.materials import Materials, reward
from tests.benchmarks.pace import Pace
from tests.benchmarks.workload import Workload, lengths_of

FAST = {
    "gradient_checkpointing": False,
    "beta": 0.0,
    "num_iterations": 1,
    "steps_per_generation": 1,
    "gradient_accumulation_steps": 1,
    "logging_strategy": "no",
    "log_completions": False,
    "save_strategy": "no",
    "lr_scheduler_type": "constant",
    "learning_rate": 1e-5,
    "shuffle_dataset": False,
    "dataloader_pin_memory": False,
    "dataloader_num_workers": 0,
    "temperature": 1.0,
}


class Paced(TrainerCallback):
    """Ends a step with a report, and begins the next one when the driver says so."""

    def __init__(self, pace: Pace) -> None:
        self.pace, self.tokens = pace, 0

    def on_step_end(self, args, state, control, **_):
        self.pace.done(self.tokens)
        self.tokens = 0
        control.should_training_stop = not self.pace.wait()


def config_of(workload: Workload, folder: str, *, defaults: bool) -> GRPOConfig:
    """The workload's sizes; all else as FAST has it, or (`defaults`) as GRPOConfig has it: bfloat16, checkpointing."""
    chosen = {} if defaults else FAST | {"bf16": workload.bf16}
    return GRPOConfig(
        output_dir=folder,
        use_cpu=workload.device == "cpu",
        per_device_train_batch_size=workload.rows,
        num_generations=workload.group,
        max_completion_length=workload.length,
        max_steps=10**6,
        report_to="none",
        disable_tqdm=True,
        **chosen,
    )


def trainer_of(workload: Workload, made: Materials, folder: str, *, defaults: bool, callback=None) -> GRPOTrainer:
    """A trainer whose answers all have the workload's length: no id ends one, or (ragged) END does."""
    rows = [{"prompt": made.tokenizer.decode(prompt)} for prompt in made.prompts] * 500  # many steps in one epoch
    made.model.generation_config.eos_token_id = None
    trainer = GRPOTrainer(
        made.model,
        reward,
        config_of(workload, folder, defaults=defaults),
        Dataset.from_list(rows),
        processing_class=made.tokenizer,
        callbacks=[] if callback is None else [callback],
    )
    ends = [END] if workload.ragged else None
    trainer.eos_token_ids = ends or [-1]
    trainer.generation_kwargs["eos_token_id"] = ends
    trainer.generation_config.eos_token_id = ends
    return trainer


def run(pace: Pace, made: Materials, *, defaults: bool = False, products: bool = False) -> None:
    """Steps of TRL's own loop. Its first one includes the setting up of the loop; it is a warm-up.

    `products`: with this package's matrix products, where they are faster.
    """
    if products:
        use_faster_products(made.model)
    transformers.utils.logging.disable_progress_bar()
    callback = Paced(pace)
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(pace.workload, made, folder, defaults=defaults, callback=callback)
        if pace.workload.ragged:
            ends = Endings(made.model, lengths_of(pace.workload))
            trainer.model.generate = ends.around(trainer.model.generate)
        pace.clock.wrap(trainer.model, "generate", "generation")
        pace.clock.wrap(trainer, "_get_per_token_logps_and_entropies", "forward")
        compute = trainer._compute_loss

        def counting(model, inputs):
            callback.tokens += int(inputs["completion_mask"].sum())
            return compute(model, inputs)

        trainer._compute_loss = counting
        torch.set_num_threads(pace.workload.threads)
        if pace.wait():
            trainer.train()
