"""What the published scripts of stage 1 send to the model.

Stated here once more from what they do, and by the scripts themselves where they are at hand.
"""

import random
import re
import runpy
import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from support.reference import reference_path

Seed = Mapping[str, Any]
"""A row of a published file of seeds."""
Hints = Sequence[tuple[str, str]]
"""(question type, topic)."""
STEP = "step1_topic_guided_red_teaming_self_instruct"


def published_prompt(name: str) -> str:
    """A meta prompt as its file has it; skips the test where it is absent."""
    return reference_path("dromedary", "prompts", name).read_text("utf-8")


def self_instruct_prompt(meta: str, shown: Sequence[Seed]) -> str:
    """The file as it is, its line break at the end included, and a line break of the script's."""
    blocks = [
        f"{number}. Instruction: {_one_line(row['instruction'])}\n"
        f"{number}. Input:\n{row['instances'][0]['input'] or '<noinput>'}\n"
        for number, row in enumerate(shown, 1)
    ]
    return "###\n".join([f"{meta}\n", *blocks, f"{len(shown) + 1}. Instruction:"])


def _one_line(instruction: str) -> str:
    return re.sub(r"\s+", " ", instruction).strip().rstrip(":")


def topics_prompt(meta: str, question_type: str, shown: Sequence[str]) -> str:
    """The stripped text, a blank line, and the topics a line each."""
    lines = "".join(f"{number}. {topic}\n" for number, topic in enumerate(shown, 1))
    return meta.strip().replace("{}", question_type) + "\n\n" + lines


def topic_guided_prompt(meta: str, shown: Sequence[Seed], hints: Hints) -> str:
    """The stripped text; both lists begin with a line break, and so does the model's own line."""
    pairs = [*((row["question_type"], row["topic"]) for row in shown), *hints]
    lines = [
        f"\n{number}. type: {kind.replace('Questions', 'Instructions')}, topic: {topic}"
        for number, (kind, topic) in enumerate(pairs, 1)
    ]
    written = [
        f"{line}, instruction: {row['question']}" for line, row in zip(lines, shown, strict=False)
    ]
    first, second, third = meta.strip().split("{}")
    return f"{first}{''.join(lines)}{second}{''.join(written)}{third}\n"


class Scripts:
    """The authors' own functions; the model is asked nothing, and its prompts are kept."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._sent: list[str] = []
        self._generator = types.SimpleNamespace(tokenizer=types.SimpleNamespace(eos_id=2))
        for name in ("fire", "tqdm", "numpy", "rouge_score", "llama_dromedary"):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules["rouge_score"].rouge_scorer = None  # type: ignore[attr-defined]
        utils: Any = types.ModuleType("llama_dromedary.utils")
        utils.load_model = utils.setup_model_parallel = utils.sync_model_parallel = None
        utils.llama_completion = self._complete
        patch.setitem(sys.modules, "llama_dromedary.utils", utils)
        patch.setattr(random, "shuffle", lambda _: None)

    def self_instruct(self, meta: str, shown: Sequence[Seed]) -> str:
        """As `self_instruct_prompt`."""
        rows = [
            {"instruction": row["instruction"], "input": row["instances"][0]["input"]}
            for row in shown
        ]
        prompt: str = self._function("generate_vanilla_instruction", "encode_prompt")(rows, meta)
        return prompt

    def topics(self, meta: str, question_type: str, shown: Sequence[str]) -> str:
        """As `topics_prompt`; the text was stripped by the script's `main`."""
        batch = [{"topics": list(shown), "question_type": question_type}]
        ask = self._function("generate_tgrt_topic", "brainstorm_topics")
        ask(self._generator, batch, meta.strip(), 1.0, 0.98, 128)
        return self._sent.pop()

    def topic_guided(self, meta: str, shown: Sequence[Seed], hints: Hints) -> str:
        """As `topic_guided_prompt`."""
        kinds, topics = ([pair[place] for pair in hints] for place in (0, 1))
        batch = [{"topics": topics, "question_types": kinds}]
        ask = self._function("generate_tgrt_question", "topic_guided_question_generation")
        ask(self._generator, batch, meta.strip(), list(shown), 1.0, 0.95, 384)
        return self._sent.pop()

    def _complete(self, _generator: object, prompts: Sequence[str], **_: object) -> list[str]:
        self._sent += prompts
        return ["" for _ in prompts]

    @staticmethod
    def _function(script: str, name: str) -> Callable[..., Any]:
        path = reference_path("dromedary", "training", STEP, f"{script}.py")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Callable[..., Any] = runpy.run_path(str(path))[name]
        return found
