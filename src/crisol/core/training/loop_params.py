"""Parameters of the training loop. Importing them loads no torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from crisol.core.params import Count, Float32, Params, Seed, ThreadCount


class LoopParams(Params):
    """Settings of the loop (:mod:`crisol.core.training.loop`), extended by each family."""

    epochs: Count = Field(default=10, ge=1)
    batch_size: Count = Field(default=64, ge=1)
    """Rows of one forward pass, over all processes together."""
    learning_rate: Float32 = Field(default=1e-3, gt=0)
    """The highest value of the schedule."""
    weight_decay: Float32 = Field(default=0.0, ge=0)
    """Applied to matrices only, not to biases and norms."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["constant", "cosine", "onecycle", "plateau"] = "constant"
    warmup_fraction: float = Field(default=0.0, ge=0, lt=1)
    """Share of all steps in which the learning rate rises to its highest value."""
    plateau_patience: Count = Field(default=3, ge=0)
    """Epochs without improvement before the ``plateau`` schedule lowers the learning rate."""
    plateau_factor: float = Field(default=0.5, gt=0, lt=1)
    gradient_clip: Float32 | None = Field(default=1.0, gt=0)
    """Largest norm of all gradients together."""
    gradient_accumulation: Count = Field(default=1, ge=1)
    """Batches per optimiser step; equals one batch so many times as large."""
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Average the weights over the steps; the average is evaluated and returned."""
    early_stopping_patience: Count | None = Field(default=None, ge=1)
    """Epochs without improvement before training stops."""
    monitor: str | None = "valid_loss"
    """History column that says which epoch is best; ``None`` keeps the last epoch's weights."""
    monitor_mode: Literal["min", "max"] = "min"
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    compile: bool = False
    """Run the network through ``torch.compile`` (needs a C++ compiler; pays off on long runs)."""
    device: str = "auto"
    cpu_threads: ThreadCount | None = None
    """Threads of torch on the processor while training; ``None``: torch decides. Small recurrent
    networks gain nothing from two, and lose a lot where other programs want the same cores."""
    seed: Seed = 0
    checkpoint_every_epochs: Count = Field(default=1, ge=1)
    log_every_steps: Count = Field(default=50, ge=1)
    """Steps between reads of the losses from the device, to check for NaN, show and log them."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.monitor is None and self.early_stopping_patience is not None:
            raise ValueError(
                "early_stopping_patience needs a column to watch: set monitor, "
                "for example 'valid_loss', or leave early_stopping_patience out"
            )
        if self.monitor is None and self.schedule == "plateau":
            raise ValueError(
                "schedule 'plateau' needs a column to watch: set monitor, for example 'valid_loss'"
            )
        if self.schedule == "onecycle" and self.warmup_fraction == 0:
            raise ValueError(
                "warmup_fraction must be above 0 for schedule 'onecycle', which rises first; "
                "0.3 is usual"
            )
        return self
