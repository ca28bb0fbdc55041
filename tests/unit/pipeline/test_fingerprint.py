"""What makes a finished stage another one, and what does not."""

from pathlib import Path

import pytest

from selfalign.errors import FingerprintMismatch
from selfalign.pipeline.run.run import Run, create_or_resume, dump_config, open_run
from selfalign.pipeline.run.run_file import deep_merge
from selfalign.pipeline.runner.fingerprint import check_fingerprint, stage_fingerprint
from selfalign.pipeline.runner.reuse import reuse_stages
from selfalign.pipeline.stages import align, prompts, topics
from selfalign.pipeline.stages.kinds.ledger import close_table
from selfalign.storage.manifest import Manifest
from support.runs import MakeRun
from support.weights import make_store


def changed(run: Run, name: str, values: dict[str, object]) -> Run:
    """The same run with other settings, under another name."""
    import yaml

    from selfalign.pipeline.run.run_file import parse_run_config

    merged = deep_merge(yaml.safe_load(dump_config(run.config)), {"name": name, **values})
    config = parse_run_config(yaml.safe_dump(merged), "test")
    return create_or_resume(run.store, config)[0]


@pytest.mark.parametrize(
    ("values", "differs"),
    [
        ({"seed": 43}, True),
        ({"topics": {"count": 60}}, True),
        ({"synthesizer": {"topics": {"listed": 11}}}, True),
        ({"model": {"base": "other"}}, True),
        ({"align": {"sampling": {"temperature": 0.1}}}, False),
        ({"executor": {"workers": 7}}, False),
        ({"engine": {"url": "http://elsewhere:80"}}, False),
    ],
)
def test_topics_depend_on_their_settings_alone(
    values: dict[str, object], differs: bool, make_run: MakeRun
) -> None:
    run = make_run(prompts=0)
    other = changed(run, "two", values)
    same = stage_fingerprint(run, topics.STAGE) == stage_fingerprint(other, topics.STAGE)
    assert same is not differs


def test_another_model_of_equal_sizes_is_not_taken_over(make_run: MakeRun, tmp_path: Path) -> None:
    """A fine-tuned model has the configuration and the sizes of the one that it came from."""
    make_store(tmp_path)
    model: dict[str, object] = {"model": {"base": f"{tmp_path}/base"}}
    run = changed(make_run(prompts=0), "one-model", model)
    close_table(run, "topics", stage_fingerprint(run, topics.STAGE), expected=None)
    same = changed(run, "two", model)
    assert list(reuse_stages(same, "one-model")) == ["topics"]
    (tmp_path / "base" / "model.safetensors").write_bytes(b"v" * 100)
    other = changed(run, "three", model)
    assert list(reuse_stages(other, "one-model")) == []
    manifest = run.manifest("topics")
    assert manifest is not None
    with pytest.raises(FingerprintMismatch, match="contents"):
        check_fingerprint(topics.STAGE, manifest, stage_fingerprint(run, topics.STAGE))


def test_stages_of_versions_that_did_not_read_the_weights_go_on(
    make_run: MakeRun, tmp_path: Path
) -> None:
    make_store(tmp_path)
    run = changed(make_run(prompts=0), "one-model", {"model": {"base": f"{tmp_path}/base"}})
    expected = stage_fingerprint(run, topics.STAGE)
    before = {name: value for name, value in expected.items() if name != "contents"}
    check_fingerprint(topics.STAGE, Manifest(stage="topics", fingerprint=before), expected)


def test_held_out_prompts_are_part_of_the_prompts_stage(make_run: MakeRun) -> None:
    run = make_run(prompts=0)
    close_table(run, "topics", stage_fingerprint(run, topics.STAGE), expected=None)
    other = changed(run, "two", {"evaluate": {"held_out": 5}})
    list(reuse_stages(other, "one"))
    assert stage_fingerprint(run, prompts.STAGE) != stage_fingerprint(other, prompts.STAGE)


def test_a_stage_whose_input_is_not_done_has_no_fingerprint(make_run: MakeRun) -> None:
    with pytest.raises(FingerprintMismatch, match="needs prompts, which is not done"):
        stage_fingerprint(make_run(), align.STAGE)


def test_other_content_upstream_changes_the_stages_after_it(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(prompts=0)
    close_table(run, "topics", {"upstream": {}}, expected=None)
    before = stage_fingerprint(run, prompts.STAGE)
    key = f"{run.prefix('topics')}/manifest.json"
    manifest = run.manifest("topics")
    assert manifest is not None
    run.store.put(key, manifest.model_copy(update={"accepted": 1}).model_dump_json().encode())
    assert stage_fingerprint(run, prompts.STAGE) != before


def test_each_difference_is_shown_with_the_way_out() -> None:
    settings = {"topics": {"sampling": {"top_p": 1}}}
    manifest = Manifest(stage="align", fingerprint={"seed": 1, "settings": settings})
    with pytest.raises(FingerprintMismatch) as caught:
        check_fingerprint(align.STAGE, manifest, {"seed": 2, "settings": settings})
    assert "seed: 1 there, 2 asked for" in str(caught.value)
    assert "top_p" not in str(caught.value)
    assert "--reuse OLD" in str(caught.value)


def test_a_new_run_takes_over_what_is_unchanged_and_no_more(make_run: MakeRun) -> None:
    run = make_run(prompts=4)
    close_table(run, "topics", stage_fingerprint(run, topics.STAGE), expected=None)
    close_table(run, "prompts", stage_fingerprint(run, prompts.STAGE), expected=None)
    same = changed(run, "two", {"align": {"sampling": {"temperature": 0.9}}})
    assert list(reuse_stages(same, "one")) == ["topics", "prompts"]
    assert same.manifest("prompts") == run.manifest("prompts")
    assert list(reuse_stages(same, "one")) == []
    other = changed(run, "three", {"prompts": {"rouge_threshold": 0.5}})
    assert list(reuse_stages(other, "one")) == ["topics"]
    assert open_run(run.store, "three").manifest("prompts") is None
