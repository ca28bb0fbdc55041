"""helm uninstall takes everything along."""

from support.cluster import run, wait_for
from support.kind_release import Release, tell
from support.kind_run import JOB

# What every namespace has, and what the suite put there itself.
NOT_OURS = {
    "configmap/kube-root-ca.crt",
    "serviceaccount/default",
    "secret/selfalign-tls",
    "secret/selfalign-token",
}


def test_nothing_is_left(release: Release) -> None:
    cluster = release.cluster
    cluster.kubectl("delete", "job", JOB, "--ignore-not-found")
    cluster.helm("uninstall", "selfalign", "--wait", "--timeout", "5m")
    kinds = run("kubectl", "api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    listed = ",".join(kind for kind in kinds if not kind.startswith("events"))

    def names() -> set[str]:
        return set(cluster.kubectl("get", listed, "-o", "name", "--ignore-not-found").split())

    wait_for("only what was there before", lambda: names() <= NOT_OURS, 180, pause=3)
    tell(f"after helm uninstall: {', '.join(sorted(names()))}")
