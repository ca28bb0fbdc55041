"""What users write for weights, and the one value that it stands for."""

from pathlib import Path

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]
from hypothesis import given
from hypothesis import strategies as st

from selfalign.errors import ConfigError, ModelError, SelfAlignError
from selfalign.weights.source import (
    ClaimFolder,
    HubModel,
    LocalFolder,
    StageWeights,
    StoreFolder,
    Weights,
    parse_weights,
)

NAMES = st.text("abcXYZ019._-", min_size=1, max_size=12)
SCHEMES = st.sampled_from(["", "s3://", "gs://", "file://", "pvc://", "http://", "/", "./", "~"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("/models/llama-65b", LocalFolder("/models/llama-65b")),
        ("/models/llama-65b/", LocalFolder("/models/llama-65b/")),
        ("./missing", LocalFolder("./missing")),
        ("../missing", LocalFolder("../missing")),
        ("~/llama", LocalFolder("~/llama")),
        ("s3://bucket", StoreFolder("s3://bucket")),
        ("s3://bucket/models/llama/", StoreFolder("s3://bucket/models/llama/")),
        ("az://container/llama", StoreFolder("az://container/llama")),
        ("file:///models/llama", StoreFolder("file:///models/llama")),
        ("pvc://models/llama/7b", ClaimFolder("pvc://models/llama/7b")),
        ("m", HubModel("m")),
        ("huggyllama/llama-65b", HubModel("huggyllama/llama-65b")),
        ("owner/model@main", HubModel("owner/model", "main")),
        ("owner/model@refs/pr/1", HubModel("owner/model", "refs/pr/1")),
    ],
)
def test_each_kind_of_place(text: str, value: Weights) -> None:
    assert parse_weights(text, "model.base") == value


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("http://host/llama", ConfigError, "'http://host/llama' has the unknown scheme 'http'"),
        ("s3://", ConfigError, "'s3://' names no bucket"),
        ("pvc:///", ConfigError, "'pvc:///' names no bucket, folder or claim"),
        ("", ModelError, "'': there is no such"),
        ("a b", ModelError, "'a b': there is no such"),
        (
            "missing/folder/of/weights",
            ModelError,
            "'missing/folder/of/weights': there is no such folder here",
        ),
        ("owner/model@", ModelError, "'owner/model@': there is no such"),
        ("owner/model.git", ModelError, "'owner/model.git': there is no such"),
    ],
)
def test_what_can_be_no_weights_is_refused(
    text: str, error: type[SelfAlignError], message: str
) -> None:
    with pytest.raises(error, match=f"model.base: {message}.*expected a folder, s3://bucket/"):
        parse_weights(text, "model.base")


def test_a_folder_that_is_here_comes_before_a_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_weights("owner/model", "base") == HubModel("owner/model")
    Path("owner/model").mkdir(parents=True)
    assert parse_weights("owner/model", "base") == LocalFolder("owner/model")


@given(st.text() | st.builds("{}{}/{}@{}".format, SCHEMES, NAMES, NAMES, NAMES))
def test_a_value_is_written_as_the_user_wrote_it(text: str) -> None:
    """Whatever the text: a value with that text, or an error that is ours."""
    try:
        value = parse_weights(text, "model.base")
    except (ConfigError, ModelError) as error:
        assert repr(text) in str(error)
    else:
        assert str(value) == text


@given(NAMES | st.builds("{}/{}".format, NAMES, NAMES) | st.text("a-.", max_size=99))
def test_hub_ids_are_those_of_huggingface_hub(text: str) -> None:
    try:
        validate_repo_id(text)
    except HFValidationError:
        valid = False
    else:
        valid = True
    try:
        value = parse_weights(f"{text}@main", "model.base")
    except ModelError:
        assert not valid
    else:
        assert value == (HubModel(text, "main") if valid else LocalFolder(f"{text}@main"))


@pytest.mark.parametrize(
    ("store", "folder"),
    [
        ("/data/runs", LocalFolder("/data/runs/demo/engrave/merged")),
        ("s3://bucket/runs", StoreFolder("s3://bucket/runs/demo/engrave/merged")),
    ],
)
def test_a_stages_weights_lie_in_its_runs_store(store: str, folder: Weights) -> None:
    weights = StageWeights(store, "demo/engrave/merged")
    assert weights.folder == folder == parse_weights(str(weights), "SOURCE")
