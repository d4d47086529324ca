"""Settings: the run."""

from dataclasses import dataclass
from pathlib import Path

from grao_ref.settings.kinds import Count, Natural


@dataclass(frozen=True)
class RunGroup:
    """The run."""

    seed: Natural = 0
    """Seed of the first run; the seeds of further runs follow it."""
    num_seeds: Count = 1
    """Runs of each method; intervals are over them. The bandit trains them all at once."""
    compare: bool = False
    """Train every method in turn on the same task, GRAO repaired and as printed, whatever `method` is."""
    eval_steps: Count = 10
    """Steps between evaluations on prompts held out from training (in the bandit: exact)."""
    max_eval_prompts: Count = 200
    """Prompts of an evaluation at most."""
    num_generations_eval: Count = 1
    """Answers sampled to each prompt of an evaluation."""
    per_device_eval_batch_size: Count | None = None
    """Answers that an evaluation samples at once; by default 8 micro-batches, since no gradients are stored."""
    logging_steps: Count = 1
    """The trackers get every so many steps, and every evaluation; metrics.jsonl has each step, whatever this is."""
    log_completions: bool = False
    """Print samples at every evaluation; they are always written to completions/."""
    num_completions_to_print: Count = 3
    """Prompts whose answers before and after training are shown at the end."""
    save_steps: Natural = 0
    """Steps between checkpoints; 0: none but the final model. A run that is stopped saves one in any case."""
    save_total_limit: Count | None = 2
    """Checkpoints to keep, the newest."""
    resume_from_checkpoint: Path | None = None
    """A checkpoint's folder, or a run's (its newest checkpoint that is whole): continue exactly from there."""
    report_to: tuple[str, ...] = ()
    """Trackers that get the metrics too, beside metrics.jsonl: tensorboard, trackio, wandb, the dotted path of a
    function of your own that opens one (`runs/trackers.py`); several, or `all` that are installed, or `none`."""
    run_name: str | None = None
    """The run's name in the tracker."""
    output_dir: Path | None = None
    """An empty or new folder for metrics.jsonl, curves.png and the model; by default the next free one in runs/."""
    overwrite_output_dir: bool = False
    """Write into a folder that is not empty; what is in it and in the way is replaced. Going on from an earlier
    checkpoint, delete what came after it."""
    push_to_hub: bool = False
    """Upload the final model to the Hugging Face hub, with its card; needs `hf auth login` or $HF_TOKEN."""
    hub_model_id: str | None = None
    """Where to: USER/NAME; by default the output folder's name."""
