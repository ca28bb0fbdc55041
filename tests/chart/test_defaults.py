"""A default stands once: values and templates repeat none of a settings class unnoticed."""

import copy
import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import typer
import yaml
from pydantic import BaseModel

from selfalign.cli.app import build_app
from selfalign.errors import EXIT_CODES, FINAL_EXIT_CODES
from selfalign.inference.dialects.register import DIALECTS
from selfalign.model_server.__main__ import build_app as build_model_server
from selfalign.model_server.server_options import ModelServerSettings
from selfalign.pipeline.run.config import KubernetesSettings, RunConfig
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.rpc.server_settings import ServerSettings
from selfalign.settings.section import Section
from selfalign_training.launch.exit_codes import NOT_RETRYABLE
from selfalign_training.launch.machine import read_machine
from support.helm import CHART, containers, needs_helm, objects, pod_specs, render_file, submitted
from support.helm_variants import Variant, script

pytestmark = needs_helm
DEFAULTS = script("defaults")
# Set by the chart for a cluster; a run elsewhere has others.
WIRING = {"ExecutorSettings.kind", "ExecutorSettings.work_dir", "KubernetesSettings.release"}


def values() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "values.yaml").read_text()))


def test_values_have_the_defaults_of_their_settings() -> None:
    assert list(DEFAULTS.mistakes(values())) == []


def test_an_external_engine_may_be_of_every_kind() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    external = schema["properties"]["inference"]["properties"]["external"]["properties"]
    assert external["api"]["enum"] == list(DIALECTS)


def test_a_second_literal_is_refused() -> None:
    for path in DEFAULTS.FOLLOWS:
        changed = copy.deepcopy(values())
        *parents, last = path.split(".")
        place = functools.reduce(lambda found, part: found[part], parents, changed)
        place[last] = "another"
        assert any(f"values.yaml: {path}: 'another', but" in m for m in DEFAULTS.mistakes(changed))
    for path, (setting, reason) in DEFAULTS.DIFFERS.items():
        assert reason, path
        changed = copy.deepcopy(values())
        *parents, last = path.split(".")
        place = functools.reduce(lambda found, part: found[part], parents, changed)
        place[last] = setting.default
        assert any(f"{path}: is {setting.name}'s own" in m for m in DEFAULTS.mistakes(changed))


@functools.cache
def fields(section: type[BaseModel], prefix: str = "") -> dict[str, tuple[str, Any]]:
    """Dotted key -> (Class.field, default) of a section and the sections in it."""
    found: dict[str, tuple[str, Any]] = {}
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found |= fields(kind, f"{prefix}{name}.")
        else:
            default = None if field.is_required() else field.get_default()
            found[prefix + name] = (f"{section.__name__}.{name}", default)
    return found


def flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def settings_of(text: str) -> dict[str, Any]:
    """Class.field -> value, of the run file and the command lines in a render."""
    found: dict[str, Any] = {}
    documents = list(objects(text))
    (run,) = [d for d in documents if "run.yaml" in d.get("data", {})]
    known = fields(RunConfig)
    for key, value in flat(parse_run_config(run["data"]["run.yaml"], "run").model_dump()):
        if key in known:
            found[known[key][0]] = value
    for document in documents:
        if document["kind"] == "Deployment":
            for container in containers(document["spec"]["template"]["spec"]):
                words = [*container.get("command", []), *container.get("args", [])]
                found |= dict(options_of(words))
    return found


@functools.cache
def command_line(build: Callable[[], typer.Typer]) -> Any:
    return typer.main.get_command(build())


def options_of(words: list[str]) -> Iterator[tuple[str, Any]]:
    """Class.field -> value of a command line that starts one of our servers."""
    if words[:2] == ["selfalign", "serve"]:
        section: type[Section] = ServerSettings
        command = command_line(build_app).commands["serve"].commands[words[2]]
    elif words[:3] == ["python", "-m", "selfalign.model_server"]:
        section = ModelServerSettings
        command = command_line(build_model_server)
    else:
        return
    for name, value in command.make_context(command.name, words[3:]).params.items():
        if name in section.model_fields:
            owner = next(c for c in section.__mro__ if name in vars(c).get("__annotations__", {}))
            yield f"{owner.__name__}.{name}", value


def test_every_value_that_sets_a_setting_is_known(variants: list[Variant]) -> None:
    defaults = dict(fields(RunConfig).values())
    for section in (ServerSettings, ModelServerSettings):
        defaults |= dict(fields(section).values())
    settings_of_text = functools.cache(settings_of)
    known = {path: {s.name for s in settings} for path, settings in DEFAULTS.FOLLOWS.items()}
    known |= {path: {setting.name} for path, (setting, _) in DEFAULTS.DIFFERS.items()}
    unknown = []
    for variant in variants:
        before, after = settings_of_text(variant.before), settings_of_text(variant.after)
        changed = {name for name in after if before.get(name) != after[name]}
        with_default = {name for name in changed if defaults.get(name) is not None} - WIRING
        strange = with_default - known.get(variant.path, set())
        unknown += [f"{variant.path} sets {name}" for name in strange]
    assert unknown == [], "list them in FOLLOWS or DIFFERS of charts/defaults.py"


def test_no_template_repeats_what_defaults_tpl_says() -> None:
    literals = re.findall(r"-}}(.*?){{-", (CHART / "templates" / "_defaults.tpl").read_text())
    ports = [literal for literal in literals if literal.isdigit() and int(literal) > 1024]
    assert len(ports) == 4
    pattern = re.compile(rf"\b({'|'.join(ports)})\b|In, values: \[")
    for path in (CHART / "templates").rglob("*.*"):
        if path.name != "_defaults.tpl":
            assert not pattern.search(path.read_text()), path


def test_the_release_is_named_as_the_executor_expects() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert KubernetesSettings().release == chart["name"]


def test_exit_codes_that_end_a_job_are_the_errors_that_no_retry_mends() -> None:
    policies = {
        job["metadata"]["name"]: rule["onExitCodes"]["values"]
        for job in submitted(render_file())
        if job["kind"] == "Job"
        for rule in job["spec"]["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule
    }
    assert len(policies) >= 2
    for name, codes in policies.items():
        expected = FINAL_EXIT_CODES if name.endswith("-pipeline") else NOT_RETRYABLE
        assert codes == list(expected), name
    assert set(FINAL_EXIT_CODES) <= set(EXIT_CODES)


def test_the_training_job_has_its_own_defaults_for_port_and_grace() -> None:
    pod = next(pod for _, pod in pod_specs(render_file()) if "subdomain" in pod)
    environment = {v["name"]: v.get("value") for v in pod["containers"][0]["env"]}
    machine = read_machine({})
    assert environment["MASTER_PORT"] == str(machine.port)
    assert environment["TERMINATION_GRACE_S"] == str(machine.grace_s)
    assert values()["training"]["graceSeconds"] == machine.grace_s
