"""Stage fingerprints: what a stage's output depends on, so that no stage is reused by mistake."""

import hashlib
import json
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from selfalign.constitution.lint import digest
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError, FingerprintMismatch, ModelError
from selfalign.pipeline.config import RunConfig
from selfalign.pipeline.fetch import find_weights
from selfalign.pipeline.old_spellings import translated_fingerprint
from selfalign.pipeline.run import Run, differences, method_settings
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import SCHEMA_VERSION
from selfalign.storage.stages import StageName

# What each stage reads: settings by name, and the stages before it.
SETTINGS: dict[StageName, tuple[str, ...]] = {
    "topics": ("topics", "synthesizer"),
    "prompts": ("prompts", "synthesizer", "evaluate.held_out"),
    "align": ("align", "rows"),
    "engrave": ("engrave",),
    "refine": ("refine", "rows"),
    "distill": ("distill",),
    "evaluate": ("evaluate",),
}
UPSTREAM: dict[StageName, tuple[StageName, ...]] = {
    "topics": (),
    "prompts": ("topics",),
    "align": ("prompts",),
    "engrave": ("align",),
    "refine": ("prompts", "engrave"),
    "distill": ("refine",),
    "evaluate": ("prompts", "align", "engrave", "refine", "distill"),
}
# Texts that a stage reads beside its settings, as dotted settings that name a file.
FILES: dict[StageName, tuple[str, ...]] = {
    "topics": ("topic_seeds", "synthesizer.wording"),
    "prompts": ("task_seeds", "topic_seeds", "synthesizer.wording"),
    "align": ("constitution",),
    "engrave": ("constitution",),
    "refine": ("constitution",),
    "distill": ("constitution",),
    "evaluate": ("constitution", "evaluate.hhh_file", "evaluate.truthfulqa_file"),
}


def stage_fingerprint(run: Run, stage: StageName) -> dict[str, Any]:
    """What the stage's output depends on.

    Raises:
        FingerprintMismatch: a stage before it is not done.
    """
    settings: Any = method_settings(run.config)
    upstream = {}
    for name in UPSTREAM[stage]:
        manifest = run.manifest(name)
        if manifest is None:
            raise FingerprintMismatch(f"stage {stage} needs {name}, which is not done")
        upstream[name] = manifest_digest(manifest)
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": run.config.seed,
        "settings": {name: reduce(getitem, name.split("."), settings) for name in SETTINGS[stage]},
        "files": {name: file_digest(run.config, name) for name in FILES[stage]},
        "model": model_digest(run.config.model.base),
        "upstream": upstream,
    }


def check_fingerprint(stage: StageName, manifest: Manifest, expected: dict[str, Any]) -> None:
    """Refuses to go on from a stage that was made with other settings.

    Raises:
        FingerprintMismatch: with each difference shown.
    """
    found = differences(translated_fingerprint(manifest.fingerprint), expected)
    if found:
        raise FingerprintMismatch(describe_differences(found, f"stage {stage} is done, but with"))


def describe_differences(found: dict[str, tuple[Any, Any]], lead: str) -> str:
    """Differences for a person, with the way out."""
    shown = "; ".join(
        f"{key}: {old!r} there, {new!r} asked for" for key, (old, new) in found.items()
    )
    return (
        f"{lead} other settings: {shown}. Start a new run that takes over the unchanged stages: "
        "selfalign run -f FILE --name NEW --reuse OLD"
    )


def manifest_digest(manifest: Manifest) -> str:
    """A digest of what a stage made and from what; other timings leave it the same."""
    content = manifest.model_dump(mode="json", exclude={"details"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def file_digest(config: RunConfig, name: str) -> str:
    """Digest of a text that the run reads; "builtin" where the run names no file."""
    if name == "constitution":
        return digest(load_constitution(config.constitution))
    path: Any = reduce(getattr, name.split("."), config)
    if path is None:
        return "builtin"
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read: {error.strerror}") from error


def model_digest(base: str) -> str:
    """Identity of a model: its id, or digest of the folder's configuration and weight sizes.

    A folder has the same digest on a disk and in a bucket (s3://bucket/prefix). The weights
    themselves are not read: 65B parameters take minutes.

    Raises:
        ModelError: the folder holds no config.json.
    """
    if "://" in base:
        weights = find_weights(base)
        files = {info.key: info.size for info in weights.files}
        return _content_digest(weights.store.get("config.json"), files)
    folder = Path(base)
    if not folder.is_dir():
        return base
    try:
        config = (folder / "config.json").read_bytes()
    except OSError as error:
        raise ModelError(f"model.base: {base}: no readable config.json in it") from error
    return _content_digest(config, {path.name: path.stat().st_size for path in folder.iterdir()})


def _content_digest(config: bytes, files: dict[str, int]) -> str:
    sizes = sorted((name, size) for name, size in files.items() if name.endswith(".safetensors"))
    return hashlib.sha256(config + repr(sizes).encode()).hexdigest()[:16]
