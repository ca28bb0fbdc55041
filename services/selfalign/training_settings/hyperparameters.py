"""The hyper-parameters of a training, each with its default and its limits."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from selfalign.settings.section import Count, NonEmpty, Port, PositiveInt, Section, Seed

PresetName = Literal["paper", "paper-distill", "small", "small-all-linear"]
Method = Literal["lora", "qlora", "full"]
Dtype = Literal["bf16", "fp16", "fp32"]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
Reporter = Literal["tensorboard", "wandb"]
Scheduler = Literal["warmup_decay", "linear", "cosine", "constant"]
LearningRate = Annotated[float, Field(gt=0, lt=1)]
Epochs = Annotated[int, Field(ge=1, le=1000)]
MaxLength = Annotated[int, Field(ge=8)]


class LoraSettings(Section):
    """Low-rank adaptation; the defaults are the paper's."""

    r: int = Field(default=16, ge=1, le=1024)
    """Rank of the two factors."""
    alpha: PositiveInt = 16
    """The update is scaled by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Of the adapter's input."""
    targets: Annotated[tuple[NonEmpty, ...], Field(min_length=1)] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
    )
    """Names of the modules that get an adapter."""


class Hyperparameters(Section):
    """What a user may choose of a training.

    The five without a value of their own (`learning_rate`, `epochs`, `max_length` and the two batch
    sizes) come from the preset where they are not given; a training job requires them.
    """

    preset: PresetName | None = None
    """Published or small hyper-parameters for all that is left out."""
    method: Method = "lora"
    """qlora trains adapters on a base model in 4 bits (nf4, CUDA only); full trains all weights."""
    lora: LoraSettings = LoraSettings()
    """The adapter; without effect where method is full."""
    learning_rate: LearningRate | None = None
    """The highest learning rate of the schedule."""
    epochs: Epochs | None = None
    """Passes over the data."""
    warmup_steps: Count = 0
    """Optimizer steps until the learning rate is reached; the first one's is above 0 already."""
    scheduler: Scheduler = "linear"
    """warmup_decay is DeepSpeed's as the paper used it: logarithmic warm-up, whose first two steps
    have a rate of 0, then linear to 0."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    """Norm to which gradients are clipped; 0 leaves them as they are."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """AdamW's."""
    global_batch_size: PositiveInt | None = None
    """Sequences of one optimizer step over all ranks; accumulation follows from it."""
    micro_batch_size: PositiveInt | None = None
    """Sequences that one rank computes at once."""
    max_length: MaxLength | None = None
    """Tokens of prompt and completion together; longer rows are dropped and counted."""
    dtype: Precision = "bf16"
    """Precision of the computation; qlora needs bf16. auto takes bf16 where the GPU or the
    processor computes in it, else fp16 on a GPU and fp32 on a processor."""
    zero_stage: Annotated[int, Field(ge=0, le=3)] = 2
    """DeepSpeed's ZeRO stage: what is divided among the ranks."""
    deepspeed_config: Path | None = None
    """A DeepSpeed JSON file instead of zero_stage, e.g. for offload; batch sizes stay "auto"."""
    gradient_checkpointing: bool = False
    """Activations are computed again in the backward pass instead of kept."""
    liger: bool | Literal["auto"] = "auto"
    """Liger's fused layers; auto uses them where CUDA and the package liger-kernel are there."""
    packing: bool | Literal["auto"] = "auto"
    """auto packs where variable-length attention exists and groups by length elsewhere."""
    seed: Seed = 42
    """Of the adapter's first weights, dropout, and the order of the data."""
    save_steps: PositiveInt = 50
    """Optimizer steps between checkpoints, which go to the store while training goes on."""
    keep_last: PositiveInt = 2
    """Complete checkpoints that stay in the store."""
    logging_steps: PositiveInt = 1
    """Optimizer steps between two records of loss and speed."""
    log_samples: bool = False
    """Writes the prompt ids of each optimizer step to samples-rank-<r>.jsonl of the output."""
    metrics_port: Port | None = None
    """Prometheus metrics of rank 0; none by default, 0 picks a free port."""
    report_to: tuple[Reporter, ...] = ()
    """TensorBoard or Weights & Biases besides; their own environment variables configure them."""
    process_group_timeout_s: Annotated[int, Field(ge=10)] = 600
    """How long ranks wait for one that hangs, or whose machine has vanished, before they fail."""

    @model_validator(mode="after")
    def _batches_can_be_formed(self) -> Self:
        whole, part = self.global_batch_size, self.micro_batch_size
        if whole is not None and part is not None and whole % part:
            raise ValueError(
                f"global_batch_size {whole} is not a multiple of micro_batch_size {part}"
            )
        return self

    @model_validator(mode="after")
    def _one_place_names_the_zero_stage(self) -> Self:
        if self.deepspeed_config is not None and "zero_stage" in self.model_fields_set:
            raise ValueError(
                "zero_stage and deepspeed_config exclude each other: the DeepSpeed file names the "
                "stage; remove one of them"
            )
        return self

    @model_validator(mode="after")
    def _method_fits(self) -> Self:
        if self.method == "qlora" and self.dtype not in ("auto", "bf16"):
            raise ValueError(f"method: qlora computes in bf16; dtype is {self.dtype!r}, set bf16")
        return self
