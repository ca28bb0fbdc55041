"""Troubles reported once each, and time limits on them."""

import time
from collections.abc import Callable, Sequence

from selfalign.errors import SelfAlignError, StageError
from selfalign.pipeline.executors.kubernetes.diagnosis import Trouble
from selfalign.pipeline.run.config import KubernetesSettings

# A container that crashes again and again runs a while in between.
FORGET_S = 60.0

Notify = Callable[[str, str], None]
"""Tells the user something: (about what, text)."""


class Patience:
    """Watches the troubles of one Job or Deployment."""

    def __init__(
        self,
        subject: str,
        settings: KubernetesSettings,
        notify: Notify,
        error: type[SelfAlignError] = StageError,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`error` is what a limit that is passed raises."""
        self._subject, self._notify, self._error, self._clock = subject, notify, error, clock
        self._limits = {
            "scheduling": ("scheduling_timeout_s", settings.scheduling_timeout_s),
            "trouble": ("trouble_timeout_s", settings.trouble_timeout_s),
        }
        self._since: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._reported: set[str] = set()

    def look(self, troubles: Sequence[Trouble], *, waiting_is_fine: bool = False) -> None:
        """Takes the troubles of this moment in.

        Args:
            waiting_is_fine: Pods may wait for a node as long as others make progress.

        Raises:
            SelfAlignError: of the given type, when a trouble has lasted too long.
        """
        now = self._clock()
        for kind, seen in list(self._seen.items()):
            if now - seen > FORGET_S:
                del self._seen[kind], self._since[kind]
        for trouble in troubles:
            since = self._since.setdefault(trouble.kind, now)
            self._seen[trouble.kind] = now
            text = trouble.describe()
            if trouble.text not in self._reported:
                self._reported.add(trouble.text)
                self._notify(self._subject, text)
            if trouble.patience == "unlimited":
                continue
            if trouble.patience == "scheduling" and waiting_is_fine:
                self._since[trouble.kind] = now
                continue
            name, limit = self._limits[trouble.patience]
            if now - since > limit:
                raise self._error(
                    f"{self._subject}: gave up after {limit:.0f} s (executor.kubernetes.{name}): "
                    f"{text}"
                )
