"""What the job computes on, and what of the configuration needs more than is there."""

from dataclasses import dataclass
from importlib.util import find_spec

from selfalign.errors import ConfigError
from selfalign_training.configuration.training_config import TrainingConfig

# What needs CUDA, the package that it needs besides, and what does without.
NEEDS_CUDA: dict[str, tuple[str | None, str]] = {
    "method: qlora": ("bitsandbytes", "set method: lora"),
    "liger: true": ("liger_kernel", "set liger: auto"),
    "dtype: fp16": (None, "set dtype: bf16 or fp32"),
}


@dataclass(frozen=True, slots=True)
class Device:
    """What the job computes on."""

    cuda: bool
    varlen_attention: bool
    liger: bool = False

    @property
    def attention(self) -> str:
        """transformers' name; SDPA keeps packed sequences apart by a block mask."""
        return "flash_attention_2" if self.varlen_attention else "sdpa"


def check_device(config: TrainingConfig) -> None:
    """Raises ConfigError where CUDA or a package is missing; loads torch only to look for CUDA."""
    asked = {
        "method: qlora": config.method == "qlora",
        "liger: true": config.liger is True,
        "dtype: fp16": config.dtype == "fp16",
    }
    for setting, (package, remedy) in NEEDS_CUDA.items():
        if not asked[setting]:
            continue
        if not _has_cuda():
            raise ConfigError(f"{setting} needs a CUDA device and there is none; {remedy}")
        if package is not None and find_spec(package) is None:
            raise ConfigError(
                f"{setting} needs the package {package.replace('_', '-')}, which is not installed; "
                f"install selfalign[cuda], or {remedy}"
            )


def find_device(config: TrainingConfig) -> Device:
    """Looks for CUDA, variable-length attention and Liger's kernels; see check_device before."""
    from transformers.utils.import_utils import is_flash_attn_2_available

    cuda = _has_cuda()
    half = config.dtype != "fp32"
    return Device(
        cuda=cuda,
        varlen_attention=cuda and half and bool(is_flash_attn_2_available()),
        liger=cuda and config.liger is not False and find_spec("liger_kernel") is not None,
    )


def use_packing(config: TrainingConfig, device: Device) -> bool:
    """Whether sequences share rows: on CPU a block mask is slower than padding sorted lengths."""
    return device.varlen_attention if config.packing == "auto" else config.packing


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())
