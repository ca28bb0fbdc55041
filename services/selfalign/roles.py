"""The models and services of a run by name."""

from typing import Literal, get_args

ModelRole = Literal["base", "engraved", "final"]
"""base: the model that is to be aligned; engraved: after principle engraving; final: after verbose
cloning."""
MODEL_ROLES: tuple[ModelRole, ...] = get_args(ModelRole)

ServiceName = Literal["prompt-synthesizer", "principle-engine", "refiner"]
SERVICE_NAMES: tuple[ServiceName, ...] = get_args(ServiceName)
