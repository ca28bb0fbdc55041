"""pyproject.toml names what is imported, in the extra that ships it, and nothing that is not."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from docs.imports import GENERATED, PACKAGES, REPOSITORY, imports

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
SERVICES, TRAINING = PACKAGES
BASE = [SERVICES / name for name in ("storage", "settings", "errors.py", "events.py")]
# What the services do not see.
WITH_TORCH = {"model_server", "processor.py"}
# Extra -> the code that is run where it is installed.
CODE = {
    "services": [path for path in SERVICES.iterdir() if path.name not in WITH_TORCH],
    "model-server": [
        SERVICES / "model_server",
        SERVICES / "options.py",
        SERVICES / "processor.py",
        SERVICES / "layout/chat_template.py",
        *BASE,
    ],
    "train": [TRAINING, SERVICES / "training_settings", SERVICES / "processor.py", *BASE],
}
# google.* belongs to several distributions.
NAMESPACES = {"google.protobuf": "protobuf", "google.rpc": "googleapis-common-protos"}
# Extra -> what it names without importing it.
UNUSED = {
    "model-server": {
        "gguf": "transformers reads the small model's GGUF file through it",
    },
    "train": {
        "accelerate": "transformers' Trainer runs on it",
        "ninja": "DeepSpeed builds its ops with it",
    },
    "services": {},
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(extra: str | None) -> set[str]:
    requirements = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return {normal(re.split(r"[=<>;\[ ]", text)[0]) for text in requirements}


def modules(code: list[Path]) -> list[Path]:
    return [file for path in code for file in ([path] if path.is_file() else path.rglob("*.py"))]


def distributions(code: list[Path]) -> set[str]:
    """The distributions that a part of the source imports from."""
    known = packages_distributions()
    found = set()
    for path in modules(code):
        for one in imports(path) if path.suffix == ".py" else ():
            top = one.module.split(".")[0]
            if top in sys.stdlib_module_names or top in {package.name for package in PACKAGES}:
                continue
            namespace = next((n for n in NAMESPACES if f"{one.module}.".startswith(f"{n}.")), None)
            assert top in known, f"{one}: not installed"
            found.add(normal(NAMESPACES[namespace] if namespace else known[top][0]))
    return found


@pytest.mark.parametrize("extra", CODE)
def test_what_is_imported_is_named(extra: str) -> None:
    assert distributions(CODE[extra]) - named(None) - named(extra) == set()


@pytest.mark.parametrize("extra", CODE)
def test_what_is_named_is_imported(extra: str) -> None:
    assert named(extra) - distributions(CODE[extra]) == set(UNUSED[extra])


def test_the_base_is_what_all_parts_share() -> None:
    assert distributions(BASE) == named(None)


def test_every_module_is_shipped_somewhere() -> None:
    shipped = {file for code in CODE.values() for file in modules(code)}
    every = {file for package in PACKAGES for file in package.rglob("*.py")}
    assert {file for file in every - shipped if GENERATED not in file.parts} == set()


def test_one_version_of_each() -> None:
    extras = PROJECT["optional-dependencies"].values()
    pins = {pin for group in (PROJECT["dependencies"], *extras) for pin in group}
    assert all("==" in pin for pin in pins)
    assert len({normal(pin.split("==")[0]) for pin in pins}) == len(pins)
