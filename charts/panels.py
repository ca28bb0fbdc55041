"""Every expression of the dashboards, asked of a real Prometheus.

python charts/panels.py http://127.0.0.1:9090 [--minutes 60] [--rate 1m]
"""

import argparse
import json
import math
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DASHBOARDS = Path(__file__).parent / "selfalign" / "dashboards"
STEPS = 240


@dataclass(frozen=True, slots=True)
class Query:
    """One expression of one panel."""

    dashboard: str
    row: str
    panel: str
    legend: str
    expression: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What Prometheus said: how many series, and the last number of the first of them."""

    query: Query
    series: int
    labels: str
    value: float | None

    def line(self) -> str:
        """A row of the Markdown table."""
        value = "no data" if self.value is None else f"{self.value:.6g}"
        where = f"{self.query.dashboard} | {self.query.row} | {self.query.panel}"
        return f"| {where} | `{self.query.expression}` | {self.series} | {self.labels} | {value} |"


def queries() -> Iterator[Query]:
    """All expressions, dashboard by dashboard."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        row = ""
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] == "row":
                row = panel["title"]
                continue
            for target in panel["targets"]:
                yield Query(path.stem, row, panel["title"], target["legendFormat"], target["expr"])


def filled(expression: str, minutes: float, rate: str) -> str:
    """An expression with Grafana's variables filled in."""
    expression = expression.replace("$namespace", ".*").replace("$__rate_interval", rate)
    return expression.replace("$__range", f"{math.ceil(minutes * 60)}s")


def ask(url: str, query: Query, minutes: float, rate: str) -> Answer:
    """The expression over the last minutes."""
    now = time.time()
    span = minutes * 60
    fields = {
        "query": filled(query.expression, minutes, rate),
        "start": now - span,
        "end": now,
        "step": max(1.0, span / STEPS),
    }
    data = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"{url}/api/v1/query_range", data, timeout=30) as response:
        found = json.load(response)["data"]["result"]
    numbers = [
        (series, [float(value) for _, value in series["values"] if value != "NaN"])
        for series in found
    ]
    told = [(series, values) for series, values in numbers if values]
    if not told:
        return Answer(query, len(found), "", None)
    series, values = told[0]
    labels = {name: text for name, text in series["metric"].items() if name != "__name__"}
    short = ", ".join(f"{name}={text}" for name, text in sorted(labels.items())[:3])
    return Answer(query, len(told), short, values[-1])


def ask_all(url: str, minutes: float = 60.0, rate: str = "1m") -> list[Answer]:
    """Every expression's answer."""
    return [ask(url.rstrip("/"), query, minutes, rate) for query in queries()]


def table(answers: list[Answer]) -> str:
    """The answers as Markdown."""
    head = "| dashboard | row | panel | expression | series | first | value |"
    return "\n".join([head, f"|{7 * '---|'}", *(answer.line() for answer in answers)])


def main(argv: list[str]) -> int:
    """Prints the table; the exit code is 1 if an expression of an engine in use has no data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", default="1m", help="what $__rate_interval stands for")
    options = parser.parse_args(argv)
    answers = ask_all(options.url, options.minutes, options.rate)
    print(table(answers))
    return int(any(answer.value is None for answer in answers if answer.query.row != "vLLM"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
