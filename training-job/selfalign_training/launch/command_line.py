"""The command line, and what `--help` prints."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence

from selfalign_training.estimate.options import add_options

PROGRAM = "python -m selfalign_training"
RANK = "rank"
"""The command that a bare CONFIG stands for."""

OVERVIEW = """\
principle engraving by DeepSpeed, from one configuration file

  python -m selfalign_training check CONFIG [RANKS]     is the file right? loads nothing
  python -m selfalign_training estimate -c CONFIG ...   memory, steps, hours; loads nothing
  python -m selfalign_training launch [TORCHRUN OPTIONS] CONFIG
                                                        trains on this machine
  python -m selfalign_training node CONFIG              trains on several: the same command on each
  python -m selfalign_training CONFIG                   one rank, as the two above start it;
                                                        without torchrun the only one
  python -m selfalign_training COMMAND --help           more about one of them

First time, on one machine:
  python -m selfalign_training check training-job/configs/small.yaml 2
  python -m selfalign_training launch --standalone --nproc-per-node=2 \\
    training-job/configs/small.yaml

CONFIG is a YAML file; training-job/configs/ holds whole ones, and every key is documented where it
is defined: services/selfalign/training_settings/hyperparameters.py, and for what `selfalign run`
fills in training-job/selfalign_training/configuration/training_config.py. `preset: paper`,
`paper-distill` or `small` fills the hyper-parameters that the file leaves out; unknown keys are
refused.

The job is restartable: ended by SIGTERM, a kill or a lost machine, the same command goes on from
the newest whole checkpoint in the store. Progress is JSON lines on stdout; messages for people are
on stderr.

Exit codes: 0 done · do not retry: 2 usage, 64 configuration, 65 data, 66 model · retry: 68 nodes
did not meet, 70 fault, 71 port in use, 73 and 74 store, 137 killed, 143 SIGTERM.
"""

CHECK = """\
Reads the file and everything it names that can be read without torch, within half a second: extra
rows and the tokenizer's end token among it.
With RANKS, the number of GPUs of the whole job, the batch arithmetic too:
global_batch_size = micro_batch_size x ranks x accumulation. Where the file names a DeepSpeed
configuration and DeepSpeed is installed, its keys are checked too, which loads torch.
"""

LAUNCH = """\
torchrun, ending with the exit code of the rank that knows why it failed (torchrun: always 1).
  launch --standalone --nproc-per-node=8 CONFIG       eight GPUs of this machine
CONFIG comes last. On several machines `node` does more: it checks before it waits, says what it
waits for, and ends on SIGTERM at any moment.
"""

NODE = """\
One machine's part of a job, the same command on every machine. The environment says the rest
(torchrun's PET_* names are understood too):
  NNODES                 number of machines (1)
  NODE_RANK              this machine's number, from 0
  MASTER_ADDR            name or IP address of machine 0
  MASTER_PORT            a free port of machine 0 (29500)
  NPROC_PER_NODE         ranks of each machine (one for each GPU, without GPUs one)
  RENDEZVOUS_TIMEOUT_S   how long machines wait for each other (900)
  TERMINATION_GRACE_S    how long ranks have after SIGTERM for step, checkpoint, upload (600)

By hand, on machine 0 and machine 1:
  NNODES=2 NODE_RANK=0 MASTER_ADDR=ten.example python -m selfalign_training node CONFIG
  NNODES=2 NODE_RANK=1 MASTER_ADDR=ten.example python -m selfalign_training node CONFIG
Under Slurm, one task a machine:
  export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  srun --ntasks-per-node=1 bash -c \\
    'NNODES=$SLURM_NNODES NODE_RANK=$SLURM_NODEID python -m selfalign_training node CONFIG'

SIGTERM to one of them: all ranks of all machines write a checkpoint, and every machine ends with
143. A rank that dies ends all machines; the one that knows why tells it by its exit code.
"""

ESTIMATE = """\
Memory per GPU, tokens, steps and hours of a job, before anything is loaded.
"""

COMMANDS = {
    "check": ("CONFIG [RANKS]", CHECK),
    "estimate": ("-c CONFIG [OPTIONS]", ESTIMATE),
    "launch": ("[TORCHRUN OPTIONS] CONFIG", LAUNCH),
    "node": ("CONFIG", NODE),
    RANK: ("CONFIG", "One rank of a job, as torchrun starts it; without torchrun the only one."),
}


def parse(arguments: Sequence[str]) -> Namespace:
    """The command as `command`, and its own options.

    Raises:
        SystemExit: with 0 after `--help`, with 2 where the arguments make no sense.
    """
    if arguments and arguments[0] not in COMMANDS and not arguments[0].startswith("-"):
        arguments = [RANK, *arguments]
    parsed, rest = build_parser().parse_known_args(list(arguments))
    if parsed.command == "launch":
        # What argparse does not know is torchrun's; its own parser could not tell CONFIG from it.
        parsed.torchrun, parsed.config = rest[:-1], rest[-1] if rest else ""
    if (parsed.command == "launch" and not rest) or (parsed.command != "launch" and rest):
        said = f"unknown arguments: {' '.join(rest)}" if rest else "CONFIG is missing"
        parsed.parser.error(said)
    return parsed


def build_parser() -> ArgumentParser:
    """The parser of all commands."""
    parser = ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [COMMAND] CONFIG",
        description=OVERVIEW,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = {}
    for name, (arguments, text) in COMMANDS.items():
        made[name] = commands.add_parser(
            name,
            prog=f"{PROGRAM} {name}",
            usage=f"{PROGRAM} {name} {arguments}",
            description=text,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        made[name].set_defaults(parser=made[name])
        if name in ("check", "node", RANK):
            made[name].add_argument("config", metavar="CONFIG", help="the job's YAML file")
    made["check"].add_argument("ranks", metavar="RANKS", nargs="?", help="of the whole job")
    add_options(made["estimate"])
    return parser
