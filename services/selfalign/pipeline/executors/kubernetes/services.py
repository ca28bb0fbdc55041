"""The gRPC services of a release: the run's own settings in them, rolled out, healthy."""

import asyncio
import time
from collections.abc import Iterable

import yaml

from selfalign.errors import ConfigError, EngineUnavailable
from selfalign.pipeline.executors.kubernetes.cluster import Cluster
from selfalign.pipeline.executors.kubernetes.patience import Notify
from selfalign.pipeline.executors.kubernetes.rollout import Rollout
from selfalign.pipeline.run.config import KubernetesSettings, RunConfig
from selfalign.pipeline.run.run import differences, method_settings
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.pipeline.services.register import SERVICES
from selfalign.roles import ServiceName
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.probe import probe
from selfalign.settings.ports import GRPC_PORT
from selfalign.settings.tls import ClientTls

POLL_S = 2.0


class Services:
    """Finds the release's services and makes sure that they can do the run's work."""

    def __init__(
        self,
        cluster: Cluster,
        settings: KubernetesSettings,
        startup_timeout_s: float,
        rollout: Rollout,
        notify: Notify,
    ) -> None:
        self._cluster, self._settings, self._notify = cluster, settings, notify
        self._startup_timeout_s = startup_timeout_s
        self._rollout = rollout

    def check(self, config: RunConfig) -> None:
        """Refuses a release any of whose services has other settings than the run's.

        Raises:
            ConfigError: each difference is shown.
        """
        self._check_settings(SERVICES, config)

    def target(self, name: ServiceName, config: RunConfig) -> str:
        """Waits until the service is healthy; returns its headless address.

        Raises:
            ConfigError: the release runs it with other settings than the run's.
            EngineUnavailable: it was not healthy in time.
        """
        release = self._settings.release
        self._check_settings((name,), config)
        self._rollout.wait(f"{release}-{name}")
        target = f"dns:///{release}-{name}-headless:{GRPC_PORT}"
        if self._cluster.inside:
            self._wait_healthy(name, target)
        return target

    def _check_settings(self, names: Iterable[ServiceName], config: RunConfig) -> None:
        source = f"{self._settings.release}-run"
        found = self._cluster.get("configmaps", source)
        if found is None:
            raise ConfigError(
                f"executor.kubernetes.release: namespace {self._cluster.namespace!r} has no "
                f"ConfigMap {source!r}; expected the full name of a release of the selfalign chart"
            )
        text = found.get("data", {}).get("run.yaml", "")
        for name in names:
            check_same_settings(name, config, text, f"ConfigMap {source}, run.yaml")

    def _wait_healthy(self, name: ServiceName, target: str) -> None:
        """Asks the service itself: it is not ready before it has seen its engine."""
        settings = self._settings
        tls = {name: getattr(settings, name) for name in ClientTls.model_fields}
        channel = ChannelSettings(target=target, **tls)
        deadline = time.monotonic() + self._startup_timeout_s
        last = ""
        while problem := asyncio.run(probe(channel, SERVICES[name].full_name)):
            if time.monotonic() > deadline:
                raise EngineUnavailable(
                    f"{name} at {target} was not healthy after {self._startup_timeout_s:.0f} s "
                    f"(executor.startup_timeout_s): {problem}"
                )
            if problem != last:
                last = problem
                self._notify(name, f"waiting until it is healthy: {problem}")
            time.sleep(POLL_S)


def check_same_settings(name: ServiceName, config: RunConfig, text: str, source: str) -> None:
    """Refuses a run whose rows the release's service would make with other settings.

    Args:
        text: The run file that the service was started with.

    Raises:
        ConfigError: each difference is shown.
    """
    values = yaml.safe_load(text) if text else None
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected the run file that the services read")
    served = method_settings(parse_run_config(text, source))
    asked = method_settings(config)
    keys = SERVICES[name].settings
    found = differences({key: served[key] for key in keys}, {key: asked[key] for key in keys})
    if found:
        shown = "; ".join(
            f"{key}: {old!r} there, {new!r} asked for" for key, (old, new) in found.items()
        )
        raise ConfigError(
            f"{source}: the release's {name} runs with other settings than this run: {shown}. "
            "Set them in the chart's values under `run` and upgrade the release, or change the run "
            "file"
        )
