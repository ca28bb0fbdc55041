"""What the chart shares with the programs: one home for each default, the settings class's.

Writes templates/_defaults.tpl (ports, exit codes, limits, names) and holds values.yaml to the
settings classes. `python charts/defaults.py --check` fails when the file is not current; a value
that is not its class's default fails in any case.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from selfalign.errors import FINAL_EXIT_CODES, FingerprintMismatch, VerificationError
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.model_server.server_options import ModelServerOptions
from selfalign.pipeline.run.config import ExecutorSettings, KubernetesSettings, RunConfig
from selfalign.pipeline.services.register import SERVICES
from selfalign.rpc.server_settings import ServerSettings
from selfalign.settings.ports import ENGINE_PORT, GRPC_PORT, HEALTH_PORT, METRICS_PORT
from selfalign.settings.section import Section

CHART = Path(__file__).parent / "selfalign"
TEMPLATE = CHART / "templates" / "_defaults.tpl"
HEADER = """\
{{/* Made by `make chart-docs` from the settings classes and selfalign.errors; change it there. */}}
"""
# What only the runner looks at: the ledger and the settings of a whole run.
RUNNER_ALONE = {FingerprintMismatch.exit_code, VerificationError.exit_code}


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of a settings class."""

    section: type[Section]
    field: str

    @property
    def name(self) -> str:
        """As in messages."""
        return f"{self.section.__name__}.{self.field}"

    @property
    def default(self) -> Any:  # noqa: ANN401
        """The class's default, as values.yaml spells it."""
        return self.section.model_fields[self.field].default


FOLLOWS: Mapping[str, tuple[Setting, ...]] = {
    "services.reflection": (Setting(ServerSettings, "reflection"),),
    "inference.engine": (Setting(EngineSettings, "kind"),),
    "inference.maxConcurrentRequests": (
        Setting(EngineSettings, "max_concurrency"),
        Setting(ModelServerOptions, "max_concurrent_requests"),
    ),
    "run.profile": (Setting(RunConfig, "profile"),),
    "runner.keepEngines": (Setting(KubernetesSettings, "keep_engines"),),
    "training.nodes": (Setting(KubernetesSettings, "training_nodes"),),
}
"""Values whose default is that of the settings that they set."""
DIFFERS: Mapping[str, tuple[Setting, str]] = {
    "services.drain.delaySeconds": (
        Setting(ServerSettings, "drain_delay_s"),
        "clients learn from endpoints, which are updated while the pod already ends",
    ),
    "services.drain.graceSeconds": (
        Setting(ServerSettings, "drain_grace_s"),
        "calls wait for an engine that many pods share",
    ),
    "inference.startupSeconds": (
        Setting(ExecutorSettings, "startup_timeout_s"),
        "a 65B model may have to be downloaded first",
    ),
    "inference.external.api": (
        Setting(EngineSettings, "kind"),
        "an engine that is there already is most often a server with OpenAI's API",
    ),
    "inference.dtype": (
        Setting(ModelServerOptions, "dtype"),
        "TGI's own choice is not the same for every model, and GPUs compute in bfloat16",
    ),
    "workers.count": (
        Setting(ExecutorSettings, "workers"),
        "a cluster has more than one machine's cores",
    ),
}
"""Values that differ from the setting's own default, each with its reason."""


def template() -> str:
    """templates/_defaults.tpl."""
    for_jobs = [code for code in FINAL_EXIT_CODES if code not in RUNNER_ALONE]
    texts = {
        "services": " ".join(SERVICES),
        "ports.grpc": GRPC_PORT,
        "ports.health": HEALTH_PORT,
        "ports.metrics": METRICS_PORT,
        "ports.engine": ENGINE_PORT,
        "exitCodes.runner": _list(FINAL_EXIT_CODES),
        "exitCodes.job": _list(for_jobs),
        "maxTopNTokens": ModelServerOptions().max_top_n_tokens,
    }
    defines = (
        f'{{{{- define "selfalign.{name}" -}}}}{text}{{{{- end -}}}}\n'
        for name, text in texts.items()
    )
    return HEADER + "".join(defines)


def _list(codes: Sequence[int]) -> str:
    return json.dumps(codes, separators=(",", ":"))


def mistakes(values: Mapping[str, Any]) -> Iterator[str]:
    """Values that do not have the default that they should have, or differ without need."""
    for path, settings in FOLLOWS.items():
        for setting in settings:
            if (found := value_at(values, path)) != setting.default:
                yield (
                    f"values.yaml: {path}: {found!r}, but {setting.name} is {setting.default!r}; "
                    "make them equal, or give the reason in DIFFERS of charts/defaults.py"
                )
    for path, (setting, _) in DIFFERS.items():
        if value_at(values, path) == setting.default:
            yield f"values.yaml: {path}: is {setting.name}'s own default; move it to FOLLOWS"


def value_at(values: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401
    """The value at a dotted path."""
    found: Any = values
    for part in path.split("."):
        found = found[part]
    return found


def main(argv: list[str]) -> int:
    """Writes the template, or with --check compares it; checks the values in any case."""
    found = list(mistakes(yaml.safe_load((CHART / "values.yaml").read_text())))
    if not TEMPLATE.exists() or TEMPLATE.read_text() != template():
        if "--check" in argv:
            found.append(f"{TEMPLATE} is not what the settings give; run `make chart-docs`")
        else:
            TEMPLATE.write_text(template())
            print(f"wrote {TEMPLATE}")
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
