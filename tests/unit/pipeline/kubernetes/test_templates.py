"""Names that fit, placeholders that are known, owners and marks."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import ConfigError
from selfalign.pipeline.executors.kubernetes.executor import ranks_per_node
from selfalign.pipeline.executors.kubernetes.templates import (
    DIGEST,
    RUN,
    Templates,
    digest,
    environment_value,
    mark,
    object_name,
    owner_of,
)

JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: "${NAME}", labels: {app: a}}
spec:
  completions: ${COUNT}
  template:
    spec:
      containers:
        - name: main
          command: [sh, -c, "echo $(INDEX) $HOME $${x} ${STAGE}"]
          env: [{name: NPROC_PER_NODE, value: "8"}, {name: N, value: "${COUNT}"}]
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: '${NAME}'}\n"
VALUES: dict[str, str | int] = {
    "NAME": "n",
    "COUNT": 2,
    "STAGE": "align",
    "RUN": "r",
    "CONFIG_MAP": "c",
}
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
RELEASES = st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)


def templates(**texts: str) -> Templates:
    return Templates("r-jobs", {f"{name}-job.yaml": text for name, text in texts.items()})


@given(RELEASES, NAMES, st.integers(1, 9999))
def test_names_are_dns_labels_with_room_for_an_index(release: str, run: str, attempt: int) -> None:
    name = object_name(release, run, "engrave", attempt)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)
    assert len(f"{name}-99999") <= 63
    assert name == object_name(release, run, "engrave", attempt)
    assert name != object_name(release, run, "engrave", attempt + 1)


def test_names_that_are_cut_stay_different() -> None:
    runs = ["a" * 60, "a" * 60 + "b", "a" * 60 + "-c"]
    assert len({object_name("selfalign", run, "align", 1) for run in runs}) == 3
    assert object_name("selfalign", "demo", "align", 1) == "selfalign-demo-align-1"


def test_only_braces_in_capitals_are_placeholders() -> None:
    (job,) = templates(worker=JOB).render("worker-job.yaml", VALUES)
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][2] == "echo $(INDEX) $HOME ${x} align"
    assert job["spec"]["completions"] == 2
    assert environment_value(job, "N") == "2"
    assert environment_value(job, "other") is None


def test_a_template_may_hold_several_manifests() -> None:
    kinds = templates(training=f"{SERVICE}---\n{JOB}---\n").render("training-job.yaml", VALUES)
    assert [manifest["kind"] for manifest in kinds] == ["Service", "Job"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NMAE} ${COUNT}", "unknown placeholder NMAE; expected some of .*NAME"),
        ("a: [", "not valid YAML"),
        ("just text", "expected manifests with a kind"),
        (None, "worker-job.yaml: missing; there are training-job.yaml"),
    ],
)
def test_templates_that_cannot_be_used(text: str | None, message: str) -> None:
    texts = {"training": JOB} | ({} if text is None else {"worker": text})
    with pytest.raises(ConfigError, match=message):
        templates(**texts).render("worker-job.yaml", VALUES)


@pytest.mark.parametrize(
    ("value", "expected"), [('"8"', 8), ('"gpu"', None), ('"0"', None), ("null", None)]
)
def test_ranks_of_a_node(value: str, expected: int | None) -> None:
    made = templates(training=f"{SERVICE}---\n{JOB.replace(chr(34) + '8' + chr(34), value)}")
    if expected is not None:
        assert ranks_per_node(made) == expected
        return
    with pytest.raises(ConfigError, match=r"NPROC_PER_NODE is .*; expected the number of ranks"):
        ranks_per_node(made)


def test_marks_keep_what_is_there() -> None:
    body: dict[str, Any] = {"metadata": {"name": "n", "namespace": "x", "labels": {"app": "a"}}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "o", "uid": "u"}}
    owner = owner_of(job)
    marked = mark(body, labels={RUN: "r"}, annotations={DIGEST: "d"}, owner=owner)
    assert marked["metadata"] == {
        "name": "n",
        "labels": {"app": "a", RUN: "r"},
        "annotations": {DIGEST: "d"},
        "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": "o", "uid": "u"},
        ],
    }
    assert "namespace" in body["metadata"]


def test_digests_follow_the_content() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
