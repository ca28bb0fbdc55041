"""The release at rest: what `helm install --wait` left."""

import json
from typing import Any

import pytest

from selfalign.errors import EngineError, EngineUnavailable, SelfAlignError
from selfalign.rpc.clients import PrincipleEngineClient, PromptSynthesizerClient, RefinerClient
from selfalign.rpc.probe import probe
from selfalign.storage.rows import PromptItem
from support.cluster import Cluster, CommandFailed, run, wait_for
from support.kind_release import SERVICES, VERSION, Release, tell
from support.kind_run import other_command

CALL_SECONDS = 120.0
NAMES = ("prompt-synthesizer", "principle-engine", "refiner")
IMAGES = (
    SERVICES,
    f"selfalign/model-server:{VERSION}-trial",
    f"selfalign/training:{VERSION}-trial",
)


@pytest.fixture(scope="module")
def images() -> dict[str, Any]:
    return {name: json.loads(run("docker", "image", "inspect", name))[0] for name in IMAGES}


def test_images_are_small_named_and_without_root(images: dict[str, Any]) -> None:
    for name, image in images.items():
        assert image["Config"]["User"] == "65532:65532"
        labels = image["Config"]["Labels"]
        assert labels["org.opencontainers.image.version"] == VERSION
        assert labels["org.opencontainers.image.title"].startswith("selfalign ")
        environment = [entry.split("=")[0] for entry in image["Config"]["Env"]]
        assert not {"PIP_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE"} & set(environment)
        tell(f"image {name}: {image['Size'] / 1e6:.0f} MB")


def test_model_server_and_training_share_the_torch_layer(images: dict[str, Any]) -> None:
    _, server, training = (image["RootFS"]["Layers"] for image in images.values())
    shared = [one for one, other in zip(server, training, strict=False) if one == other]
    history = run("docker", "history", "--format", "{{.Size}} {{.CreatedBy}}", IMAGES[1])
    torch = next(line for line in history.splitlines() if "GB" in line)
    assert len(shared) >= 2, "base and torch"
    tell(f"model-server and training share {len(shared)} layers; torch: {torch.split()[0]}")


def test_memory_at_rest(release: Release) -> None:
    """Before anybody has asked for anything."""

    def measured() -> dict[str, float]:
        used = memory_of_pods(release.cluster)
        return used if all(megabytes > 1 for megabytes in used.values()) else {}

    used = wait_for("the kubelets have measured every pod", measured, 90, pause=5)
    assert len(used) == 5
    for pod, megabytes in sorted(used.items()):
        tell(f"at rest: {pod}: {megabytes:.0f} MB")
        # The engine holds the weights twice, in fp32 where the processor does not compute in bf16.
        limit = 300 if "engine" not in pod else 2200
        assert megabytes < limit, f"{pod} uses {megabytes:.0f} MB while nothing is done"


def test_no_compiler_and_no_cache_is_left(release: Release) -> None:
    for target in ("deployment/selfalign-refiner", "deployment/selfalign-engine-base"):
        shell = ["exec", target, "--", "sh", "-c"]
        script = (
            "for t in gcc cc g++ make nvcc pip uv; do command -v $t; done; "
            "ls -d /root/.cache /var/cache/apt/archives/*.deb /opt/uv 2>/dev/null; id -u"
        )
        assert release.cluster.kubectl(*shell, script).split() == ["65532"]
        with pytest.raises(CommandFailed, match="Read-only file system"):
            release.cluster.kubectl(*shell, "touch /opt/x")


def test_helm_test_passes(release: Release) -> None:
    said = release.cluster.helm("test", "selfalign", "--timeout", "3m")
    assert "Succeeded" in said and "Failed" not in said


@pytest.mark.parametrize("name", NAMES)
async def test_each_service_answers_outside_with_tls_and_token(release: Release, name: str) -> None:
    with release.cluster.forward(f"service/selfalign-{name}", 50051) as port:
        assert await probe(release.channel(port), "liveness") == ""


async def test_a_call_with_and_without_the_token(release: Release) -> None:
    with release.cluster.forward("service/selfalign-principle-engine", 50051) as port:
        async with PrincipleEngineClient(release.channel(port)) as client:
            constitution = await client.get_constitution(10.0)
            assert len(constitution.principles) == 16
        async with PrincipleEngineClient(release.channel(port, token=False)) as client:
            with pytest.raises(SelfAlignError, match="token"):
                await client.get_constitution(10.0)
        plain = release.channel(port).model_copy(update={"tls_ca": None, "token_file": None})
        async with PrincipleEngineClient(plain) as client:
            with pytest.raises(EngineUnavailable):
                await client.get_constitution(10.0)


async def test_the_principle_engine_aligns_a_prompt_from_outside(release: Release) -> None:
    item = PromptItem("p1", "Name three things that grow in a vegetable garden.", seed=1)
    with release.cluster.forward("service/selfalign-principle-engine", 50051) as port:
        async with PrincipleEngineClient(release.channel(port)) as client:
            row = await client.align_prompt(item, CALL_SECONDS)
    assert (row.prompt_id, row.instruction) == (item.prompt_id, item.instruction)
    assert row.status in ("accepted", "rejected")
    assert row.model_id and row.completion_tokens > 0
    tell(f"principle-engine from outside: {row.status}, {row.completion_tokens} tokens")


async def test_the_synthesizer_writes_prompts_from_outside(release: Release) -> None:
    hints = [("Questions about how to do something", "Gardens")]
    with release.cluster.forward("service/selfalign-prompt-synthesizer", 50051) as port:
        async with PromptSynthesizerClient(release.channel(port)) as client:
            rows = [
                row
                async for row in client.synthesize_prompts(
                    source="topic_guided",
                    completions=1,
                    hints=hints,
                    seed=1,
                    deadline_s=CALL_SECONDS,
                )
            ]
    assert rows
    assert {row.topic for row in rows} == {"Gardens"}
    assert all(row.instruction or row.reason for row in rows)
    tell(f"prompt-synthesizer from outside: {len(rows)} rows")


async def test_the_refiner_tells_that_its_engine_waits(release: Release) -> None:
    """The engraved model is not there before stage 3; a call ends at its deadline or before."""
    with release.cluster.forward("service/selfalign-refiner", 50051) as port:
        async with RefinerClient(release.channel(port)) as client:
            with pytest.raises(EngineError):
                await client.refine_prompt(PromptItem("p1", "Name a vegetable."), 5.0)


def test_engraved_waits_at_no_replicas(release: Release) -> None:
    assert release.cluster.get("deployment", "selfalign-engine-engraved")["spec"]["replicas"] == 0


def test_a_run_into_a_bucket_that_is_not_there_ends_soon(release: Release) -> None:
    """Another store than the release's, by the runner's own option."""
    command = ["selfalign", "run", "--file=/etc/selfalign/run.yaml", "--json"]
    command += ["--set", "store=s3://no-such-bucket/runs"]
    told = other_command(release, "wrong-bucket", command, "Failed").splitlines()[-1]
    assert "no-such-bucket" in told
    tell(f"wrong bucket: {told}")


def memory_of_pods(cluster: Cluster) -> dict[str, float]:
    """Resident memory of each pod in MB, as the kubelets tell it: the working set would count the
    cached pages of an image that was just loaded."""
    used = {}
    nodes = run("kubectl", "get", "nodes", "-o", "name").split()
    for node in nodes:
        path = f"/api/v1/nodes/{node.removeprefix('node/')}/proxy/stats/summary"
        for pod in json.loads(run("kubectl", "get", "--raw", path))["pods"]:
            if pod["podRef"]["namespace"] == cluster.namespace and "rssBytes" in pod.get(
                "memory", {}
            ):
                used[pod["podRef"]["name"]] = pod["memory"]["rssBytes"] / 1e6
    return used
