"""The training job's configuration: one YAML file, every field checked before anything is loaded.

Nothing here imports torch, so that a wrong file is refused within half a second.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from selfalign.settings.section import NonEmpty, Section

Preset = Literal["paper", "paper-distill", "small"]
Method = Literal["lora", "qlora", "full"]
Dtype = Literal["bf16", "fp16", "fp32"]
Reporter = Literal["tensorboard", "wandb"]
Scheduler = Literal["warmup_decay", "linear", "cosine", "constant"]
Prefix = Annotated[str, Field(min_length=1, pattern=r"^[^/].*[^/]$|^[^/]$")]


class DataConfig(Section):
    """Where the accepted rows lie: the table of a finished stage."""

    store: NonEmpty
    stage_prefix: Prefix
    extra_rows: NonEmpty | None = None
    """Rows of your own besides: a JSONL file of {"instruction", "input", "answer"}, or a key of
    the store, where every node finds it. `input` may be left out; all answers are complete."""


class OutputConfig(Section):
    """Where adapter, merged weights, metrics and manifest go."""

    store: NonEmpty
    prefix: Prefix
    dtype: Dtype = "bf16"
    """Of the merged weights."""


class LayoutConfig(Section):
    """The student's text: strings come rendered from the constitution (paper, section 3.3).

    prompt = strip(meta) + "\\n" + instruction [+ "\\n\\n" + input] + assistant_header;
    completion = answer [+ end_marker if the answer is complete].
    """

    meta_prompts: tuple[NonEmpty, ...] = Field(min_length=1)
    """One is drawn for each row by the hash of its prompt id: context distillation."""
    chat_template: bool = False
    """The tokenizer's chat template instead, the meta prompt as its system message; the headers
    and the end marker are then its own."""
    user_header: str = ""
    assistant_header: NonEmpty = ""
    end_marker: NonEmpty = ""

    @model_validator(mode="after")
    def _has_headers(self) -> "LayoutConfig":
        missing = [name for name in ("assistant_header", "end_marker") if not getattr(self, name)]
        if missing and not self.chat_template:
            raise ValueError(
                f"{' and '.join(missing)} missing; give them, or set chat_template: true"
            )
        return self


class LoraConfig(Section):
    """Low-rank adaptation; the defaults are the paper's."""

    r: int = Field(default=16, ge=1, le=1024)
    alpha: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: Annotated[tuple[NonEmpty, ...], Field(min_length=1)] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
    )


class TrainingConfig(Section):
    """Everything that one training job needs; see training-job/configs for whole files."""

    preset: Preset | None = None
    """Fills the hyper-parameters that the file leaves out; see presets.py."""
    base_model: NonEmpty
    """A folder of safetensors, or the id of a hub model."""
    data: DataConfig
    output: OutputConfig
    layout: LayoutConfig
    method: Method = "lora"
    """qlora trains adapters on a base model in 4 bits (nf4, CUDA only); full trains all weights."""
    lora: LoraConfig = LoraConfig()
    learning_rate: float = Field(gt=0, lt=1)
    epochs: int = Field(ge=1, le=1000)
    warmup_steps: int = Field(default=0, ge=0)
    scheduler: Scheduler = "linear"
    """warmup_decay is DeepSpeed's: logarithmic warm-up, then linear to 0 (the paper's)."""
    max_grad_norm: float = Field(default=1.0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    global_batch_size: int = Field(ge=1)
    """Sequences of one optimizer step over all ranks; accumulation follows from it."""
    micro_batch_size: int = Field(ge=1)
    """Sequences that one rank computes at once."""
    max_length: int = Field(ge=8)
    """Tokens of prompt and completion together; longer rows are dropped and counted."""
    dtype: Dtype = "bf16"
    zero_stage: int = Field(default=2, ge=0, le=3)
    deepspeed_config: Path | None = None
    """A DeepSpeed JSON file instead of zero_stage, e.g. for offload; batch sizes stay "auto"."""
    gradient_checkpointing: bool = False
    liger: bool | Literal["auto"] = "auto"
    """Liger's fused layers; auto uses them where CUDA and the package liger-kernel are there."""
    packing: bool | Literal["auto"] = "auto"
    """auto packs where variable-length attention exists and groups by length elsewhere."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    save_steps: int = Field(default=50, ge=1)
    """Optimizer steps between checkpoints, which go to the store while training goes on."""
    keep_last: int = Field(default=2, ge=1)
    """Complete checkpoints that stay in the store."""
    logging_steps: int = Field(default=1, ge=1)
    log_samples: bool = False
    """Writes the prompt ids of each optimizer step to samples-rank-<r>.jsonl of the output."""
    metrics_port: int | None = Field(default=None, ge=0, lt=65536)
    """Prometheus on rank 0; 0 picks a free port."""
    report_to: tuple[Reporter, ...] = ()
    """TensorBoard or Weights & Biases besides; their own environment variables configure them."""
    process_group_timeout_s: int = Field(default=600, ge=10)
    """How long ranks wait for one that hangs, or whose machine has vanished, before they fail."""
    fingerprint: dict[str, Any] = Field(default_factory=dict)
    """Passed through into the output's manifest."""
    work_dir: Path = Path("training-work")
    """Scratch: what lies here is looked at again after a restart, but only the store is needed."""

    @model_validator(mode="after")
    def _batches_can_be_formed(self) -> "TrainingConfig":
        if self.global_batch_size % self.micro_batch_size:
            raise ValueError(
                f"global_batch_size {self.global_batch_size} is not a multiple of "
                f"micro_batch_size {self.micro_batch_size}"
            )
        if self.deepspeed_config is not None and "zero_stage" in self.model_fields_set:
            raise ValueError(
                "zero_stage and deepspeed_config exclude each other: the DeepSpeed file names the "
                "stage; remove one of them"
            )
        return self

    @model_validator(mode="after")
    def _method_fits(self) -> "TrainingConfig":
        if self.method == "qlora" and self.dtype != "bf16":
            raise ValueError(f"method: qlora computes in bf16; dtype is {self.dtype!r}, set bf16")
        return self

    @model_validator(mode="after")
    def _input_and_output_differ(self) -> "TrainingConfig":
        same_store = self.data.store == self.output.store
        if same_store and self.data.stage_prefix == self.output.prefix:
            raise ValueError(
                f"output.prefix {self.output.prefix!r} is the data's own stage; name another folder"
            )
        return self
