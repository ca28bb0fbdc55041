"""Writes k8s/pipeline-job.yaml and k8s/training-job.yaml from the chart's own templates.

    python charts/jobs.py                                   # k8s/, for a release named selfalign
    python charts/jobs.py -f charts/selfalign/values-kind.yaml --training-config my.yaml --output .

The chart renders the same templates into the ConfigMap from which `selfalign run` submits Jobs.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from string import Template
from typing import Any

import yaml

from selfalign.pipeline.stages import engrave

ROOT = Path(__file__).resolve().parents[1]
RELEASE = "selfalign"
PIPELINE_HEADER = """\
# The runner of a whole run, for a release of the chart named selfalign with default values:
#   kubectl create -f k8s/pipeline-job.yaml
#   kubectl logs -f job/selfalign-pipeline
# Other values: python charts/jobs.py -f VALUES, or what `helm install` says.
# Made by `make chart-docs` from charts/selfalign/templates/jobs.
"""
TRAINING_HEADER = """\
# One DeepSpeed training by itself: configuration, headless Service, Indexed Job. Edit the
# configuration, then
#   kubectl create -f k8s/training-job.yaml
#   kubectl logs -f job/selfalign-training
# It needs the service account and the store's settings of a release named selfalign.
# Made by `make chart-docs` from charts/selfalign/templates/jobs and training-job/configs.
"""
# Where the pods have what the configuration names.
IN_PODS = {"base_model": "/weights/base", "work_dir": "/work", "metrics_port": "9090"}


def job_templates(values: list[Path], helm: str = "helm") -> tuple[dict[str, str], dict[str, Any]]:
    """The jobs ConfigMap's texts and the run file, as a release with `values` has them."""
    command = [helm, "template", RELEASE, str(ROOT / "charts" / "selfalign")]
    for path in values:
        command += ["--values", str(path)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    maps = {
        document["metadata"]["name"]: document["data"]
        for document in yaml.safe_load_all(shown)
        if document and document["kind"] == "ConfigMap"
    }
    return maps[f"{RELEASE}-jobs"], yaml.safe_load(maps[f"{RELEASE}-run"]["run.yaml"])


def pipeline_job(templates: dict[str, str]) -> str:
    """k8s/pipeline-job.yaml."""
    return f"{PIPELINE_HEADER}{templates['pipeline-job.yaml'].rstrip()}\n"


def training_job(templates: dict[str, str], run: dict[str, Any], config: str) -> str:
    """k8s/training-job.yaml, with `config` as its training.yaml."""
    name = f"{RELEASE}-training"
    filled = Template(templates["training-job.yaml"]).safe_substitute(
        NAME=name,
        CONFIG_MAP=name,
        RUN=run["name"],
        STAGE=engrave.STAGE.name,
        COUNT=run["executor"]["kubernetes"]["training_nodes"],
    )
    indented = "".join(f"    {line}".rstrip() + "\n" for line in in_pods(config).splitlines())
    config_map = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"
        f"data:\n  training.yaml: |\n{indented}"
    )
    return f"{TRAINING_HEADER}{config_map}---\n{filled.rstrip()}\n"


def in_pods(config: str) -> str:
    """A training configuration with the paths that the pods have."""
    for key, value in IN_PODS.items():
        line = f"{key}: {value}"
        config, found = re.subn(rf"^{key}:.*$", line, config, flags=re.MULTILINE)
        config = config if found else f"{config.rstrip()}\n{line}\n"
    return config


def main(argv: list[str]) -> int:
    """Writes both files; with --check says whether they are current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-f", "--values", type=Path, action="append", default=[])
    default = ROOT / "training-job" / "configs" / "paper-engrave.yaml"
    parser.add_argument("--training-config", type=Path, default=default)
    parser.add_argument("--output", type=Path, default=ROOT / "k8s")
    parser.add_argument("--helm", default="helm")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(argv)
    templates, run = job_templates(options.values, options.helm)
    files = {
        "pipeline-job.yaml": pipeline_job(templates),
        "training-job.yaml": training_job(templates, run, options.training_config.read_text()),
    }
    stale = 0
    for name, text in files.items():
        path = options.output / name
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        if options.check:
            print(f"{path} is not what the chart renders; run `make chart-docs`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return int(options.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
