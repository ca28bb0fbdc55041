"""Starting killed processes again: what they had not written is made anew, from the same seeds."""

from collections import Counter
from dataclasses import dataclass, field
from signal import Signals

from selfalign.events import EventSink, Note
from selfalign.pipeline.executors.local.processes import Child

MAX_RESTARTS = 3
"""Of one process in one pass over a stage: what is killed again and again has a cause that a
restart does not mend, as too little memory."""


@dataclass(slots=True)
class Revival:
    """Restarts within one pass over a stage, of which the user hears."""

    sink: EventSink
    restarts: Counter[str] = field(default_factory=Counter)

    def helps(self, child: Child, code: int) -> bool:
        """Whether the ended process is to be started again: it was killed, and not too often."""
        return code < 0 and self.restarts[child.name] < MAX_RESTARTS

    def again(self, child: Child, code: int, port: str | None = None) -> Child:
        """The same process, not started yet.

        Args:
            port: The one that a server has to listen on now.
        """
        self.restarts[child.name] += 1
        killed = f"{child.name} was ended by {Signals(-code).name}"
        self.sink(Note(text=f"{killed}; started again"))
        command = list(child.command)
        if port is not None:
            command[command.index("--port") + 1] = port
        return Child(child.name, command, child.log, child.on_event)
