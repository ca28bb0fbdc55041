"""The options of the command `estimate`."""

from argparse import ArgumentParser

from selfalign_training.estimate.gpus import GPUS


def add_options(parser: ArgumentParser) -> None:
    """Adds the options; numbers are checked afterwards, with messages like those of the file."""
    add = parser.add_argument
    add("-c", "--config", required=True, help="the job's YAML file")
    add("--gpu", default="h100-80gb", help=f"one of {', '.join(gpu.name for gpu in GPUS)}")
    add("--count", default="8", help="GPUs of the whole job (8)")
    add("--gpus-per-node", default="8", help="GPUs of one machine (8)")
    add("--network-gbit", default="400", help="of each GPU between machines (400)")
    add("--rows", help="accepted rows; else the data's manifest says")
    add("--tokens-per-row", help="mean of prompt and answer; else the data are looked at")
    add("--utilisation", default="0.4", help="share of the GPU's peak that is reached (0.4)")
    add("--json", action="store_true", help="for programs")
