"""What a filter says when it rejects a text."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a filter rejects a text, and what it saw."""

    reason: str
    """Stable: the key of the rejection in rows, manifests and reports."""
    evidence: str


def first_rejection(rejections: Iterable[Rejection | None]) -> Rejection | None:
    """The first filter that objects; the ones after it do not run where `rejections` is lazy."""
    return next((rejection for rejection in rejections if rejection is not None), None)
