"""Makes the schemas in this folder: only the kinds that the chart renders, without descriptions.

    python tests/chart/schemas/build.py

Kubernetes' own come from the OpenAPI description in its Go module, those of custom resources from
the definitions in their projects' modules (all under the Apache licence 2.0).
"""

import json
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
KUBERNETES = ("v1.31.14", "v1.34.2", "v1.37.2")
KINDS = {
    "v1": ("ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod"),
    "apps/v1": ("Deployment",),
    "batch/v1": ("Job",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
}
CUSTOM = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    "github.com/kedacore/keda/v2@v2.18.1": ("config/crd/bases/keda.sh_scaledobjects.yaml",),
    "github.com/cert-manager/cert-manager@v1.19.1": (
        "deploy/crds/cert-manager.io_certificates.yaml",
    ),
    "sigs.k8s.io/kueue@v0.12.3": (
        "config/components/crd/bases/kueue.x-k8s.io_clusterqueues.yaml",
        "config/components/crd/bases/kueue.x-k8s.io_localqueues.yaml",
        "config/components/crd/bases/kueue.x-k8s.io_resourceflavors.yaml",
    ),
}
KEPT = {
    "type", "properties", "required", "items", "additionalProperties", "enum", "$ref", "format",
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip
PREFIX = "#/definitions/"


def module_zip(module: str) -> zipfile.ZipFile:
    """A Go module's files."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["go", "mod", "download", "-json", module]
        told = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return zipfile.ZipFile(json.loads(told.stdout)["Zip"])


def trimmed(schema: Any) -> Any:
    """A schema with the keywords that we check, and nothing else."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key in KEPT}
    if isinstance(kept.get("properties"), dict):
        kept["properties"] = {name: trimmed(part) for name, part in kept["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = trimmed(kept[key])
    return kept


def references(schema: Any) -> set[str]:
    """Names of the definitions that a schema refers to."""
    if isinstance(schema, list):
        return {name for part in schema for name in references(part)}
    if not isinstance(schema, dict):
        return set()
    found = {schema["$ref"].removeprefix(PREFIX)} if isinstance(schema.get("$ref"), str) else set()
    return found.union(*(references(part) for part in schema.values()))


def kubernetes_schemas(version: str) -> dict[str, Any]:
    """{"kinds": {"batch/v1 Job": definition}, "definitions": {...}} of one version."""
    module = f"k8s.io/kubernetes@{version}"
    text = module_zip(module).read(f"{module}/api/openapi-spec/swagger.json")
    everything = json.loads(text)["definitions"]
    kinds = {}
    for name, definition in everything.items():
        for known in definition.get("x-kubernetes-group-version-kind", []):
            api = f"{known['group']}/{known['version']}".lstrip("/")
            if known["kind"] in KINDS.get(api, ()):
                kinds[f"{api} {known['kind']}"] = name
    wanted, definitions = set(kinds.values()), {}
    while wanted:
        name = wanted.pop()
        definitions[name] = trimmed(everything[name])
        wanted |= references(definitions[name]) - set(definitions)
    return {"kinds": kinds, "definitions": definitions}


def custom_schemas() -> dict[str, Any]:
    """The same for custom resources."""
    kinds, definitions = {}, {}
    for module, paths in CUSTOM.items():
        files = module_zip(module)
        for path in paths:
            definition = yaml.safe_load(files.read(f"{module}/{path}"))["spec"]
            for version in definition["versions"]:
                name = f"{definition['group']}/{version['name']} {definition['names']['kind']}"
                kinds[name] = name
                schema = trimmed(version["schema"]["openAPIV3Schema"])
                # The API server itself fills these in.
                schema["properties"]["metadata"] = {"x-kubernetes-preserve-unknown-fields": True}
                definitions[name] = schema
    return {"kinds": kinds, "definitions": definitions}


def main() -> None:
    """Writes a file for each version, and one for the custom resources."""
    files = {
        f"{version.rsplit('.', 1)[0]}.json": kubernetes_schemas(version) for version in KUBERNETES
    }
    files["custom.json"] = custom_schemas()
    for name, schemas in files.items():
        text = json.dumps(schemas, sort_keys=True, separators=(",", ":"))
        (HERE / name).write_text(text + "\n")
        print(name, len(text))


if __name__ == "__main__":
    main()
