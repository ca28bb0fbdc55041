"""What the chart starts is what the programs understand: run files, command lines, behaviour."""

from typing import Any

import pytest
import typer

from selfalign.cli.app import build_app
from selfalign.model_server.__main__ import build_app as build_model_server
from selfalign.pipeline.run.run_file import parse_run_config
from selfalign.settings.ports import ENGINE_PORT
from selfalign_training.launch.exit_codes import NOT_RETRYABLE
from selfalign_training.launch.machine import read_machine
from support.helm import (
    VALUES_FILES,
    containers,
    find,
    needs_helm,
    pod_specs,
    render,
    render_file,
    submitted,
)

pytestmark = needs_helm
SERVICES = ("prompt-synthesizer", "principle-engine", "refiner")


def spec(documents: Any, kind: str, name: str) -> dict[str, Any]:
    return dict(dict(pod_specs(documents))[f"{kind} {name}"])


def command_line(container: dict[str, Any]) -> list[str]:
    words = [*container.get("command", []), *container.get("args", [])]
    return [word.replace("$(JOB_COMPLETION_INDEX)", "0") for word in words]


@pytest.mark.parametrize("name", VALUES_FILES)
def test_run_files_are_valid(name: str) -> None:
    text = find(render_file(name), "ConfigMap", "selfalign-run")["data"]["run.yaml"]
    config = parse_run_config(text, name)
    assert config.executor.kind == "kubernetes"
    assert config.executor.kubernetes.release == "selfalign"
    annotated = find(render_file(name), "Deployment", "selfalign-engine-base")["metadata"]
    assert annotated["annotations"]["selfalign.dev/weights"] == config.model.base


@pytest.mark.parametrize("name", VALUES_FILES)
def test_command_lines_are_understood(name: str) -> None:
    group: Any = typer.main.get_command(build_app())
    understood = 0
    for _, pod in pod_specs(render_file(name)):
        for container in containers(pod):
            program, *words = command_line(container) or [""]
            if program == "selfalign":
                command: Any = group
                while hasattr(command, "commands"):
                    command = command.commands[words.pop(0)]
                command.make_context(command.name, words)
                understood += 1
            if words[:2] == ["-m", "selfalign.model_server"]:
                command = typer.main.get_command(build_model_server())
                assert command.make_context("model-server", words[2:]).params["port"] == ENGINE_PORT
                understood += 1
    assert understood >= 6


def test_tgi_serves_llama_65b_over_8_gpus() -> None:
    engine = spec(render_file(), "Deployment", "selfalign-engine-base")
    (container,) = engine["containers"]
    assert "--model-id=huggyllama/llama-65b" in container["args"]
    assert "--num-shard=8" in container["args"]
    assert "--usage-stats=off" in container["args"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 8
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]
    (shm,) = [volume for volume in engine["volumes"] if volume["name"] == "shm"]
    assert shm["emptyDir"]["medium"] == "Memory"
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 1800
    assert container["livenessProbe"]["failureThreshold"] >= 10
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert engine["terminationGracePeriodSeconds"] > int(
        environment["GRACEFUL_TERMINATION_TIMEOUT"] or 0
    )


@pytest.mark.parametrize(
    ("name", "engine", "dtype", "words"),
    [
        ("default", "tgi", "bfloat16", ["--dtype=bfloat16"]),
        ("default", "tgi", "auto", []),
        ("default", "vllm", "auto", ["--dtype=auto"]),
        ("default", "vllm", "float32", ["--dtype=float32"]),
        ("values-kind", "model-server", "auto", ["--dtype=auto"]),
        ("values-kind", "model-server", "bfloat16", ["--dtype=bf16"]),
        ("values-kind", "model-server", "float32", ["--dtype=fp32"]),
    ],
)
def test_the_number_format_in_each_engines_words(
    name: str, engine: str, dtype: str, words: list[str]
) -> None:
    documents = render({"inference": {"engine": engine, "dtype": dtype}}, name)
    (container,) = spec(documents, "Deployment", "selfalign-engine-base")["containers"]
    assert [word for word in container["args"] if word.startswith("--dtype")] == words


def test_engraved_waits_for_its_weights() -> None:
    engine = find(render_file(), "Deployment", "selfalign-engine-engraved")
    assert engine["spec"]["replicas"] == 0
    (fetch,) = engine["spec"]["template"]["spec"]["initContainers"]
    assert fetch["name"] == "weights"
    assert fetch["env"][0] == {"name": "SELFALIGN_WEIGHTS", "value": ""}
    claims = [d["metadata"]["name"] for d in render_file() if "VolumeClaim" in d["kind"]]
    assert claims == ["selfalign-engine-base"], "an unbound claim would keep --wait waiting"


@pytest.mark.parametrize(
    ("weights", "model", "fetched", "mount"),
    [
        ("huggyllama/llama-7b", "huggyllama/llama-7b", False, "/weights"),
        ("s3://models/llama", "/weights/base", True, "/weights"),
        ("pvc://models/llama/7b", "/weights/base", False, "/weights/base"),
        ("/models/llama", "/models/llama", False, None),
    ],
)
def test_weights(weights: str, model: str, fetched: bool, mount: str | None) -> None:
    documents = render({"inference": {"base": {"weights": weights}}})
    engine = spec(documents, "Deployment", "selfalign-engine-base")
    (container,) = engine["containers"]
    assert f"--model-id={model}" in container["args"]
    assert bool(engine.get("initContainers")) is fetched
    (mounted,) = [m for m in container["volumeMounts"] if m["name"] == "weights"] or [{}]
    assert mounted.get("mountPath") == mount
    training = spec(documents, "Job", "selfalign-demo-align-1")
    assert training
    names = {
        m["mountPath"]: m
        for job in submitted(documents)
        if "training" in str(job.get("spec", {}).get("template", {}))
        for m in job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    }
    if weights.startswith("pvc://"):
        assert names["/weights/base"]["subPath"] == "llama/7b"
        assert mounted["subPath"] == "llama/7b"
        assert mounted["readOnly"] is True


def test_drain_fits_into_the_grace_period() -> None:
    drain = {"delaySeconds": 7, "graceSeconds": 300}
    documents = render({"services": {"drain": drain}})
    for name in SERVICES:
        pod = spec(documents, "Deployment", f"selfalign-{name}")
        (container,) = pod["containers"]
        assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == 7
        assert "--drain-grace=300" in container["command"]
        assert pod["terminationGracePeriodSeconds"] > 307


def test_training_job() -> None:
    documents = render({"training": {"nodes": 6, "restarts": 4}})
    (job,) = [d for d in submitted(documents) if "backoffLimit: 24" in f"{d}".replace("'", "")]
    work = job["spec"]
    assert work["completionMode"] == "Indexed"
    assert work["podReplacementPolicy"] == "Failed"
    ignore, fail = work["podFailurePolicy"]["rules"]
    assert ignore["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert fail["onExitCodes"]["values"] == list(NOT_RETRYABLE)
    pod = work["template"]["spec"]
    environment = {variable["name"]: variable for variable in pod["containers"][0]["env"]}
    assert environment["MASTER_ADDR"]["value"] == "selfalign-demo-align-1-0.selfalign-demo-align-1"
    assert environment["NPROC_PER_NODE"]["value"] == "8"
    assert "job-completion-index" in str(environment["NODE_RANK"])
    told = {
        name: variable["value"] for name, variable in environment.items() if "value" in variable
    }
    machine = read_machine({**told, "NODE_RANK": "1"})
    assert (machine.rank, machine.nodes, machine.port) == (1, 2, 29500)
    assert pod["terminationGracePeriodSeconds"] > machine.grace_s
    assert pod["subdomain"] == "selfalign-demo-align-1"


def test_tls_and_tokens_on_both_sides() -> None:
    values = {
        "tls": {"enabled": True, "mutual": True, "secretName": "pair", "serverName": "selfalign"},
        "auth": {"tokenSecret": {"name": "tokens"}},
    }
    documents = render(values)
    server = command_line(spec(documents, "Deployment", "selfalign-refiner")["containers"][0])
    assert "--tls-client-ca=/etc/selfalign-tls/ca.crt" in server
    assert "--token-file=/etc/selfalign-auth/token" in server
    workers = [job for job in submitted(documents) if "worker" in str(job["spec"])]
    words = command_line(workers[0]["spec"]["template"]["spec"]["containers"][0])
    assert {"--tls-cert=/etc/selfalign-tls/tls.crt", "--tls-server-name=selfalign"} <= set(words)
    run = find(documents, "ConfigMap", "selfalign-run")["data"]["run.yaml"]
    assert (
        str(parse_run_config(run, "run").executor.kubernetes.tls_ca) == "/etc/selfalign-tls/ca.crt"
    )


def test_external_engines() -> None:
    external = {"baseUrl": "http://a:8000", "engravedUrl": "http://b:8000", "model": "llama"}
    documents = render({"inference": {"engine": "external", "external": external}})
    names = {d["metadata"]["name"] for d in documents}
    assert not names & {"selfalign-engine-base", "selfalign-engine-engraved"}
    text = find(documents, "ConfigMap", "selfalign-run")["data"]["run.yaml"]
    config = parse_run_config(text, "run")
    engines = config.executor.kubernetes.external_engines
    assert engines == {"base": "http://a:8000", "engraved": "http://b:8000"}
    assert (config.engine.kind, config.engine.model) == ("openai", "llama")
    refiner = command_line(spec(documents, "Deployment", "selfalign-refiner")["containers"][0])
    assert "--engine-url=http://b:8000" in refiner


def test_no_disruption_budget_for_one_replica() -> None:
    budgets = [d for d in render({"services": {"replicas": 1}}) if "Budget" in d["kind"]]
    assert budgets == []
    assert len([d for d in render_file() if "Budget" in d["kind"]]) == 3


@pytest.mark.parametrize(
    ("registry", "digest", "image"),
    [
        ("", "", "selfalign/services:0.1.0"),
        ("reg:5000/mirror", "", "reg:5000/mirror/selfalign/services:0.1.0"),
        ("reg", "sha256:ab", "reg/selfalign/services@sha256:ab"),
    ],
)
def test_images(registry: str, digest: str, image: str) -> None:
    documents = render(
        {"image": {"registry": registry}, "images": {"services": {"digest": digest}}}
    )
    assert spec(documents, "Deployment", "selfalign-refiner")["containers"][0]["image"] == image


def test_a_registry_takes_the_place_of_another() -> None:
    images = {"tgi": {"repository": "ghcr.io/huggingface/text-generation-inference"}}
    documents = render({"image": {"registry": "reg"}, "images": images})
    image = spec(documents, "Deployment", "selfalign-engine-base")["containers"][0]["image"]
    assert image == "reg/huggingface/text-generation-inference:3.3.7"


def test_network_policies_select_our_pods_only() -> None:
    documents = render_file()
    policies = [d for d in documents if d["kind"] == "NetworkPolicy"]
    selected = []
    for policy in policies:
        labels = policy["spec"]["podSelector"]["matchLabels"]
        assert labels["app.kubernetes.io/instance"] == "selfalign"
        selected.append(labels["app.kubernetes.io/component"])
        assert {"port": 53, "protocol": "UDP"} in policy["spec"]["egress"][0]["ports"]
    pods = {
        d["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        for d in [*documents, *submitted(documents)]
        if d["kind"] in ("Deployment", "Job")
    }
    assert pods <= set(selected), "a pod without a policy is open to all"


def test_a_secret_that_is_named_must_be_there() -> None:
    documents = render({"objectStorage": {"existingSecret": "keys"}})
    runner = spec(documents, "Job", "selfalign-pipeline")["containers"][0]
    assert runner["envFrom"][1]["secretRef"] == {"name": "keys", "optional": False}
    runner = spec(render_file(), "Job", "selfalign-pipeline")["containers"][0]
    assert runner["envFrom"][1]["secretRef"]["optional"] is True


@pytest.mark.parametrize(("until", "option"), [("", []), ("engrave", ["--until=engrave"])])
def test_a_run_in_a_cluster_may_end_early(until: str, option: list[str]) -> None:
    specs = dict(pod_specs(render({"runner": {"until": until}})))
    (runner,) = [
        container
        for place, pod in specs.items()
        if "pipeline" in place
        for container in containers(pod)
    ]
    assert [word for word in command_line(runner) if "until" in word] == option
