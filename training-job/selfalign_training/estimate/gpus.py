"""GPU types: memory, dense 16-bit throughput, links."""

from dataclasses import dataclass

from selfalign.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Gpu:
    """One type of card."""

    name: str
    memory_gib: float
    """What the driver reports, which is a little less than the label says."""
    tflops: float
    """Dense tensor-core peak in bf16 (fp16 where there is no bf16), fp32 accumulation."""
    link_gb_s: float
    """To the other cards of its node, one direction: NVLink, or PCIe 4.0 x16 without it."""
    bf16: bool
    marks: tuple[str, ...]
    """Words that all stand in the name that the driver gives the card."""


GPUS = (
    # NVIDIA A100 datasheet: 312 TFLOPS bf16 dense, NVLink 600 GB/s both directions.
    Gpu("a100-40gb", 39.5, 312.0, 300.0, True, ("A100", "40GB")),
    Gpu("a100-80gb", 79.2, 312.0, 300.0, True, ("A100", "80GB")),
    # NVIDIA H100 datasheet, SXM: 1,979 TFLOPS bf16 with sparsity, half dense; NVLink 900 GB/s.
    Gpu("h100-80gb", 79.2, 989.4, 450.0, True, ("H100", "HBM3")),
    # NVIDIA H200 datasheet, SXM: the H100's arithmetic with 141 GB.
    Gpu("h200-141gb", 139.8, 989.4, 450.0, True, ("H200",)),
    # NVIDIA HGX B200 datasheet: 36 PFLOPS bf16 with sparsity for eight; NVLink 1.8 TB/s each.
    Gpu("b200-180gb", 178.4, 2250.0, 900.0, True, ("B200",)),
    # NVIDIA L40S datasheet: 733 TFLOPS bf16 with sparsity, 362 dense; PCIe 4.0 x16.
    Gpu("l40s-48gb", 44.4, 362.0, 32.0, True, ("L40S",)),
    # NVIDIA V100 datasheet, SXM2: 125 TFLOPS fp16, no bf16; NVLink 300 GB/s both directions.
    Gpu("v100-32gb", 31.7, 125.0, 150.0, False, ("V100", "32GB")),
    # NVIDIA Ada whitepaper: 165.2 TFLOPS bf16 dense with fp32 accumulation; PCIe 4.0 x16.
    Gpu("rtx4090-24gb", 23.6, 165.2, 32.0, True, ("RTX 4090",)),
)


def find_gpu(name: str) -> Gpu:
    """The type called `name`. Raises ConfigError, which lists the types."""
    for gpu in GPUS:
        if gpu.name == name.lower():
            return gpu
    known = ", ".join(gpu.name for gpu in GPUS)
    raise ConfigError(f"--gpu: {name!r} is not a known type; expected one of {known}")


def recognise_gpu(device_name: str) -> Gpu | None:
    """The type of a card by its driver's name for it, e.g. "NVIDIA H100 80GB HBM3"."""
    for gpu in GPUS:
        if all(mark in device_name for mark in gpu.marks):
            return gpu
    return None
