"""The contract of a stage: the record from which runner, worker, verify, CLI and report follow."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from selfalign.events import EventSink, Note
from selfalign.pipeline.executors.contract.executor import Executor
from selfalign.pipeline.run.run import Run
from selfalign.storage.manifest import Manifest

Proof = tuple[str, Callable[[], None]]
"""What is checked, and the check, which raises VerificationError, DataError or StoreError."""


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """One step of a run, with a folder of its own in the store and a manifest when it is done."""

    name: str
    """Its folder in the store, the label of its Jobs and metrics: lower-case letters only."""
    after: tuple[str, ...]
    """The stages whose output it reads; all stand before it in the register."""
    after_if_done: tuple[str, ...] = ()
    """Stages whose output it takes in where they are done; it is done again once they are."""
    settings: tuple[str, ...]
    """The settings of the run that its output depends on, dotted: `prompts`, `evaluate.held_out`.
    A change of one of them makes it another stage (FingerprintMismatch)."""
    files: tuple[str, ...] = ()
    """Dotted settings that name a text of the run's, whose content its output depends on."""
    own_files: tuple[str, ...] = ()
    """The same for texts that a run need not have, here or in its store: they are no part of the
    stage's origin until the run names them."""

    results: tuple[tuple[str, str], ...] = ()
    """(label, name in its folder) of what the user gets of it when the run is done."""

    def texts(self, run: Run) -> dict[str, str]:
        """Further texts that its output depends on in this run, by what they are.

        Raises:
            ConfigError: one cannot be had.
        """
        return {}

    @abstractmethod
    def make(self, work: "StageWork") -> None:
        """Does the whole stage, or what an earlier process left of it; writes the manifest last.

        Raises:
            SelfAlignError: what was finished stays in the store, and the next run goes on there.
        """

    def proofs(self, run: Run, manifest: Manifest) -> Iterator[Proof]:
        """What `selfalign verify` checks of the finished stage, beside its parts and origin."""
        return iter(())

    def check(self, run: Run, executor: Executor) -> None:  # noqa: B027 - most have nothing to check
        """Refuses, before the first stage begins, what would only fail hours later.

        Raises:
            ConfigError, ModelError: as the message says.
        """


@dataclass(frozen=True, slots=True)
class StageWork:
    """What a stage needs to do its work."""

    run: Run
    executor: Executor
    report: EventSink
    """Hears the stage's events; the stage's name is added to them."""
    fingerprint: dict[str, Any]
    """What the output depends on: goes into the manifest."""
    stages: Sequence[Stage]
    """The stages that are walked, in order."""

    def note(self, text: str) -> None:
        """Tells the user something."""
        self.report(Note(text=text))
