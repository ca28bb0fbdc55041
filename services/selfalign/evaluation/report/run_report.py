"""report.html: one self-contained page about a run."""

from collections.abc import Callable
from importlib import metadata, resources
from string import Template

from selfalign.evaluation.drawing.markup import Markup, element, escape, join
from selfalign.evaluation.drawing.scales import number, percent
from selfalign.evaluation.figures import EvaluationResults
from selfalign.evaluation.report.answer_lengths import lengths_section
from selfalign.evaluation.report.answers import answers_section
from selfalign.evaluation.report.benchmarks import multiple_choice_section
from selfalign.evaluation.report.funnel import funnel_section, rejections_section
from selfalign.evaluation.report.headline import headline_section
from selfalign.evaluation.report.losses import training_section
from selfalign.evaluation.report.principles import principles_section
from selfalign.evaluation.report.provenance import provenance_section
from selfalign.evaluation.report.run_view import RunView
from selfalign.roles import MODEL_ROLES

SECTIONS: dict[str, tuple[str, Callable[[RunView, int], Markup]]] = {
    "funnel": ("From seeds to rows", lambda view, samples: funnel_section(view)),
    "rejections": ("Why rows were rejected", lambda view, samples: rejections_section(view)),
    "principles": ("Principles at work", lambda view, samples: principles_section(view)),
    "lengths": ("Length of answers", lambda view, samples: lengths_section(view)),
    "training": ("Training", lambda view, samples: training_section(view)),
    "answers": ("Held-out prompts", answers_section),
    "benchmarks": ("HHH and TruthfulQA", lambda view, samples: multiple_choice_section(view)),
    "provenance": ("What it was made from", lambda view, samples: provenance_section(view)),
}


def render_report(view: RunView, samples: int = 6) -> str:
    """The whole page; parts of the run that are not there yet are named as missing.

    Args:
        view: The run.
        samples: Held-out prompts whose answers are shown side by side.
    """
    sections = [
        element("section", element("h2", title), make(view, samples), id=key)
        for key, (title, make) in SECTIONS.items()
    ]
    contents = [element("a", title, href=f"#{key}") for key, (title, _) in SECTIONS.items()]
    template = Template(_resource("report.html"))
    return template.substitute(
        title=escape(f"{view.name} · selfalign"),
        style=_resource("report.css"),
        name=escape(view.name),
        lead=escape(_lead(view)),
        headline=headline_section(view),
        tiles=element("div", *_tiles(view), class_="tiles"),
        contents=join(*contents),
        sections=join(*sections),
        version=escape(metadata.version("selfalign")),
    )


def _resource(name: str) -> str:
    return (resources.files("selfalign.evaluation.report") / name).read_text(encoding="utf-8")


def _lead(view: RunView) -> str:
    # The report is written before the manifest of the stage that writes it.
    done = {manifest.stage for manifest in view.manifests}
    if view.results:
        done.add(view.stages.evaluation)
    if not done:
        return "No stage of this run is finished yet."
    rows = sum(manifest.inputs for manifest in view.manifests)
    return (
        f"{len(done)} of {len(view.stages.names)} stages are finished; {number(rows)} rows went "
        "through them, and each is accounted for below."
    )


def _tiles(view: RunView) -> list[Markup]:
    """The run in a few figures."""
    tiles = []
    for stage, text in (
        (view.stages.aligned, "of aligned rows accepted"),
        (view.stages.refined, "of refined rows accepted"),
    ):
        manifest = view.manifest(stage)
        if manifest is not None and manifest.inputs:
            counts = f"{number(manifest.accepted)} of {number(manifest.inputs)}"
            tiles.append(_tile(percent(manifest.accepted / manifest.inputs), f"{text} ({counts})"))
    if view.results is not None:
        tiles += _result_tiles(view.results)
    return tiles


def _result_tiles(results: EvaluationResults) -> list[Markup]:
    """Benchmarks with items enough for a figure: the few built-in ones make none."""
    # The last model of a run that ended early (`--until engrave`) is the engraved one.
    made = {arm.role for arm in results.arms}
    last = [role for role in MODEL_ROLES if role in made][-1] if made else "base"
    if last == "base":
        return []
    of_files = {
        s.benchmark for arm in results.arms for s in arm.benchmarks if not s.source.built_in
    }
    tiles = []
    for benchmark, name in (("hhh", "HHH accuracy"), ("truthfulqa", "TruthfulQA MC1")):
        found = {
            each.role: each.accuracy
            for each in results.accuracies
            if each.benchmark == benchmark and benchmark in of_files and each.category == ""
        }
        before, after = found.get("base"), found.get(last)
        if before and after:
            change = _change(before.value, after.value)
            tiles.append(_tile(change, f"{name}, base → {last}, n = {number(after.n)}"))
    return tiles


def _change(before: float, after: float) -> str:
    return f"{percent(before).removesuffix(' %')} → {percent(after)}"


def _tile(value: str, text: str) -> Markup:
    return element("div", element("b", value), element("span", text), class_="tile")
