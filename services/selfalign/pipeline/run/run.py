"""A run in the store: where its objects lie, its stages in order, its configuration."""

from dataclasses import dataclass
from typing import Any

import yaml

from selfalign.errors import ConfigError, ObjectExists, ObjectMissing
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.layout import keep_layout
from selfalign.pipeline.run.run_file import parse_stored_config
from selfalign.storage.manifest import Manifest, read_manifest
from selfalign.storage.store import Store

# Settings that say where and how fast the work runs, not what it makes: free to change on resume.
OPERATIONAL: Any = {
    "store": True,
    "executor": True,
    "engine": {
        "url",
        "tls_ca",
        "token_env",
        "max_concurrency",
        "request_timeout_s",
        "connect_timeout_s",
        "retry_attempts",
        "outage_patience_s",
        "retry_base_s",
        "retry_max_s",
    },
}


@dataclass(frozen=True, slots=True)
class Run:
    """A run's place in the store and its settings."""

    store: Store
    config: RunConfig

    @property
    def name(self) -> str:
        return self.config.name

    def prefix(self, stage: str) -> str:
        """The stage's folder in the store."""
        return f"{self.name}/{stage}"

    def manifest(self, stage: str) -> Manifest | None:
        """The stage's manifest; None while it is not done."""
        return read_manifest(self.store, self.prefix(stage))

    @property
    def config_key(self) -> str:
        return config_key(self.name)


def config_key(name: str) -> str:
    """Where a run's resolved configuration lies."""
    return f"{name}/run.yaml"


def method_settings(config: RunConfig) -> dict[str, Any]:
    """The settings that decide what a run makes, without the operational ones."""
    return config.model_dump(mode="json", exclude=OPERATIONAL)


def dump_config(config: RunConfig, *, executor: bool = True) -> str:
    """The resolved configuration as YAML that parses to the same values.

    Without `executor`, that section is left out: a worker does not need it, and its image may know
    other settings of it than the runner's.
    """
    values = config.model_dump(mode="json", exclude=None if executor else {"executor"})
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def create_or_resume(store: Store, config: RunConfig) -> tuple[Run, dict[str, Any]]:
    """Writes run.yaml for a new run; for one that is there returns what differs from it.

    A run that is there keeps the layout that it began with, unless `config` asks for another.

    Returns:
        The run, and {dotted key: (stored, asked for)} of method settings that differ.
    """
    run = Run(store, config)
    try:
        store.create(run.config_key, dump_config(config).encode())
    except ObjectExists:
        stored = open_run(store, config.name).config
        run = Run(store, keep_layout(config, stored))
        return run, differences(method_settings(stored), method_settings(run.config))
    return run, {}


def open_run(store: Store, name: str) -> Run:
    """A run that was started before.

    Raises:
        ConfigError: the store has no such run.
    """
    try:
        text = store.get(config_key(name)).decode()
    except ObjectMissing as error:
        known = sorted({info.key.split("/")[0] for info in store.list("") if "/" in info.key})
        raise ConfigError(
            f"run {name!r} is not in {store.url}; runs there: {', '.join(known) or 'none'}"
        ) from error
    return Run(store, parse_stored_config(text, f"{store.url}/{config_key(name)}"))


def differences(old: Any, new: Any, place: str = "") -> dict[str, Any]:  # noqa: ANN401
    """Leaves that differ between two nested values, by dotted key."""
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, Any] = {}
        for key in sorted({*old, *new}):
            inner = f"{place}.{key}" if place else str(key)
            found |= differences(old.get(key), new.get(key), inner)
        return found
    return {} if old == new else {place: (old, new)}
