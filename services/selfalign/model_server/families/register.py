"""The families that this server runs."""

from selfalign.model_server.families.base import Family
from selfalign.model_server.families.llama import LLAMA

FAMILIES: tuple[Family, ...] = (LLAMA,)
