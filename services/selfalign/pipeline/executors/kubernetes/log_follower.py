"""Following the logs of pods: events to the sink, across broken connections."""

import threading

from urllib3.exceptions import HTTPError

from selfalign.errors import SelfAlignError
from selfalign.events import EventSink, Note, parse
from selfalign.pipeline.executors.kubernetes.cluster import Cluster, Object

RECONNECT_S = 1.0
JOIN_S = 10.0
TAIL_LINES = 12


class LogFollower:
    """One container's log on a thread of its own, from its first line to its last."""

    def __init__(self, cluster: Cluster, pod: str, container: str, sink: EventSink) -> None:
        self._cluster, self._pod, self._container, self._sink = cluster, pod, container, sink
        self._stop = threading.Event()
        self._last = ""
        self._thread = threading.Thread(target=self._follow, name=f"log-{pod}", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Waits for the last line of a container that has ended."""
        self._thread.join(JOIN_S)
        self.stop()

    def stop(self) -> None:
        """Reads no further; the thread ends with its next line or silence."""
        self._stop.set()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
                pod = self._cluster.get("pods", self._pod)
                if pod is None or terminated(pod, self._container):
                    return
            except HTTPError:
                pass
            except SelfAlignError as error:
                self._sink(Note(text=f"log of {self._pod} lost: {error}"))
                return
            self._stop.wait(RECONNECT_S)

    def _read(self) -> None:
        """Reads on behind the last line that is known."""
        lines = self._cluster.log_lines(self._pod, self._container, self._last)
        for stamp, line in lines:
            self._last = stamp
            if self._stop.is_set():
                return
            if (event := parse(line)) is not None:
                self._sink(event)


def terminated(pod: Object, container: str) -> bool:
    """Whether the container has ended for good: its pod's policy never restarts it."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == container:
            return "terminated" in status.get("state", {})
    return False


def quoted_tail(cluster: Cluster, pod: str, container: str) -> str:
    """The last lines of a log that are no events: what a person needs to see first.

    Of a container that was started again and has said nothing yet: of its last life.
    """
    lines = cluster.log_tail(pod, container, 10 * TAIL_LINES)
    lines = lines or cluster.log_tail(pod, container, 10 * TAIL_LINES, previous=True)
    said = [line for line in lines if line.strip() and parse(line) is None]
    return "\n".join(said[-TAIL_LINES:]) or "(no log)"
