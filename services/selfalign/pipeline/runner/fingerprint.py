"""Stage fingerprints: what a stage's output depends on, so that no stage is reused by mistake."""

import hashlib
import json
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from selfalign.constitution.lint import digest
from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError, FingerprintMismatch
from selfalign.pipeline.run.config import RunConfig
from selfalign.pipeline.run.old_spellings import translated_fingerprint
from selfalign.pipeline.run.own_files import own_digest
from selfalign.pipeline.run.run import Run, differences, method_settings
from selfalign.pipeline.stages.kinds.stage import Stage
from selfalign.storage.manifest import Manifest
from selfalign.storage.rows import SCHEMA_VERSION
from selfalign.weights.contents import contents_digest
from selfalign.weights.digest import weights_digest

LONGEST_VALUE = 200


def stage_fingerprint(run: Run, stage: Stage) -> dict[str, Any]:
    """What the stage's output depends on.

    Raises:
        FingerprintMismatch: a stage before it is not done.
    """
    settings: Any = method_settings(run.config)
    upstream = {}
    for name in stage.after:
        manifest = run.manifest(name)
        if manifest is None:
            raise FingerprintMismatch(f"stage {stage.name} needs {name}, which is not done")
        upstream[name] = manifest_digest(manifest)
    for name in stage.after_if_done:
        manifest = run.manifest(name)
        if manifest is not None:
            upstream[name] = manifest_digest(manifest)
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": run.config.seed,
        "settings": {name: reduce(getitem, name.split("."), settings) for name in stage.settings},
        "files": given_files(run, stage),
        "model": weights_digest(run.config.model.weights),
        "contents": contents_digest(run.config.model.weights),
        "upstream": upstream,
    }


def recorded_fingerprint(manifest: Manifest, expected: dict[str, Any]) -> dict[str, Any]:
    """What a finished stage was made from, as this version would say it.

    Stages of earlier versions do not say what the weights held; their configuration and sizes must
    do.
    """
    found = translated_fingerprint(manifest.fingerprint)
    unsaid = {"contents": expected["contents"]} if "contents" in expected else {}
    return unsaid | found


def check_fingerprint(stage: Stage, manifest: Manifest, expected: dict[str, Any]) -> None:
    """Refuses to go on from a stage that was made with other settings.

    Raises:
        FingerprintMismatch: with each difference shown.
    """
    found = differences(recorded_fingerprint(manifest, expected), expected)
    if found:
        raise FingerprintMismatch(
            describe_differences(found, f"stage {stage.name} is done, but with")
        )


def is_outgrown(stage: Stage, manifest: Manifest, expected: dict[str, Any]) -> bool:
    """Whether all that differs is that stages which it takes in were not done yet."""
    found = recorded_fingerprint(manifest, expected)
    upstream = found.get("upstream", {})
    added = [name for name in stage.after_if_done if name in expected["upstream"]]
    new = {name: expected["upstream"][name] for name in added if name not in upstream}
    return bool(new) and not differences({**found, "upstream": upstream | new}, expected)


def describe_differences(found: dict[str, tuple[Any, Any]], lead: str) -> str:
    """Differences for a person, with the way out."""
    shown = "; ".join(
        f"{key}: {_shown(old)} there, {_shown(new)} asked for" for key, (old, new) in found.items()
    )
    return (
        f"{lead} other settings: {shown}. Start a new run that takes over the unchanged stages: "
        "selfalign run -f FILE --name NEW --reuse OLD"
    )


def _shown(value: object) -> str:
    """The value on one line, and not a whole chat template."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def manifest_digest(manifest: Manifest) -> str:
    """A digest of what a stage made and from what; other timings leave it the same."""
    # Without what they do not say, manifests keep the digest that they had before it was there.
    unsaid = {name for name in ("units", "candidates") if not getattr(manifest, name)}
    content = manifest.model_dump(mode="json", exclude={"details"} | unsaid)
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


def given_files(run: Run, stage: Stage) -> dict[str, str]:
    """Digests of the texts that the stage reads, by the settings that name them.

    Raises:
        ConfigError, DataError: one cannot be read.
    """
    digests = {name: file_digest(run.config, name) for name in stage.files}
    for name in stage.own_files:
        path: Any = reduce(getattr, name.split("."), run.config)
        if path is not None:
            digests[name] = own_digest(run.store, str(path), name)
    for name, text in stage.texts(run).items():
        digests[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return digests
