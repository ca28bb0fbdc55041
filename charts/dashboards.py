"""Makes the chart's Grafana dashboards, charts/selfalign/dashboards/*.json, from dashboards.yaml.

python charts/dashboards.py [--check]
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
FOLDER = HERE / "selfalign" / "dashboards"
SELECTOR = 'namespace=~"$namespace"'
STAGES = ("waiting", "running", "done")
COLUMNS, HEIGHT = 24, 8
DATASOURCE = {"type": "prometheus", "uid": "$datasource"}


def dashboard(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Grafana's JSON of one dashboard."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        panels.append(_heading(row["row"], len(panels) + 1, top))
        left, top = 0, top + 1
        for panel in row["panels"]:
            width = panel.get("width", 8)
            if left + width > COLUMNS:
                left, top = 0, top + HEIGHT
            place = {"x": left, "y": top, "w": width, "h": HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, place))
            left += width
        top += HEIGHT
    return {
        "uid": f"selfalign-{name}",
        "title": f"selfalign / {name}",
        "tags": ["selfalign"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_datasource(), _namespace()]},
        "panels": panels,
    }


def _heading(title: str, number: int, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": title, "gridPos": place, "panels": []}


def _panel(panel: dict[str, Any], number: int, place: dict[str, int]) -> dict[str, Any]:
    kind = panel.get("kind", "timeseries")
    defaults: dict[str, Any] = {"unit": panel.get("unit", "short")}
    if panel.get("stages"):
        options = {str(value): {"text": text} for value, text in enumerate(STAGES)}
        defaults["mappings"] = [{"type": "value", "options": options}]
    targets = [
        {
            "refId": chr(ord("A") + index),
            "expr": query["expr"].replace("SEL", SELECTOR),
            "legendFormat": query["legend"],
            "instant": kind != "timeseries",
        }
        for index, query in enumerate(panel["queries"])
    ]
    return {
        "id": number,
        "type": kind,
        "title": panel["title"],
        **({"description": panel["text"]} if "text" in panel else {}),
        "gridPos": place,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": targets,
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus"}


def _namespace() -> dict[str, Any]:
    return {
        "name": "namespace",
        "type": "query",
        "datasource": DATASOURCE,
        "query": "label_values(selfalign_engine_inflight, namespace)",
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def main(argv: list[str]) -> int:
    """Writes the files; with --check says whether they are current."""
    stale = 0
    tables = yaml.safe_load((HERE / "dashboards.yaml").read_text())
    for name, rows in tables.items():
        path = FOLDER / f"{name}.json"
        text = json.dumps(dashboard(name, rows), indent=2) + "\n"
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        if "--check" in argv:
            print(f"{path} is not current; run `make chart-docs`")
        else:
            path.write_text(text)
    return int("--check" in argv and stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
