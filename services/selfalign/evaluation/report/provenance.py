"""Digests of what the run was made from, and its configuration."""

import json

from selfalign.evaluation.drawing.markup import Markup, element, join
from selfalign.evaluation.report.cells import note, table
from selfalign.evaluation.report.run_view import RunView
from selfalign.storage.rows import content_hash


def provenance_section(view: RunView) -> Markup:
    """One row a stage, then the resolved configuration."""
    rows = [
        [element("code", stage), element("code", digest), element("code", model), parts]
        for stage, digest, model, parts in provenance_rows(view)
    ]
    facts = [f"Configuration digest {config_digest(view)}."]
    if view.results is not None:
        facts.append(f"Constitution digest {view.results.constitution}.")
    return join(
        note(" ".join(facts)),
        table(("Stage", "Fingerprint", "Model", "Objects"), rows, text_columns=3),
        element(
            "details",
            element("summary", "Resolved configuration"),
            element("pre", view.config or "not stored"),
        ),
    )


def config_digest(view: RunView) -> str:
    """Digest of the resolved configuration's text."""
    return content_hash(view.config)


def provenance_rows(view: RunView) -> list[tuple[str, str, str, str]]:
    """(stage, digest of its fingerprint, model, number of objects) of every finished stage."""
    rows = []
    for manifest in view.manifests:
        fingerprint = json.dumps(manifest.fingerprint, sort_keys=True, default=str)
        model = manifest.fingerprint.get("model", manifest.fingerprint.get("model_id", ""))
        rows.append(
            (manifest.stage, content_hash(fingerprint), str(model), str(len(manifest.parts)))
        )
    return rows
