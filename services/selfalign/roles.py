"""The models and services that a run has: each name is written here and nowhere else."""

from typing import Literal, get_args

ModelRole = Literal["base", "engraved", "final"]
"""A run's models in the order of their training: the given one, stage 3's, and stage 4's."""
ROLES: tuple[ModelRole, ...] = get_args(ModelRole)

ServiceName = Literal["prompt-synthesizer", "principle-engine", "refiner"]
"""A gRPC service, as commands, Deployments and log files call it."""
SERVICE_NAMES: tuple[ServiceName, ...] = get_args(ServiceName)
