"""Whether a stage's prompts fit the engine, asked once at start-up."""

import logging

from selfalign.errors import PromptTooLong
from selfalign.inference.contract.engine import Engine
from selfalign.settings.sampling import SamplingParams

logger = logging.getLogger(__name__)


async def check_lengths(
    engine: Engine, prefix: str, longest_query_tokens: int, params: SamplingParams
) -> None:
    """Makes sure that prefix + longest query + max_new_tokens fit the engine's limits.

    Where the engine does not tell its limits or count tokens, a log line says so and nothing is
    checked.

    Raises:
        PromptTooLong: they do not fit; says by how much and what to shorten.
        EngineUnavailable: the engine is down.
    """
    info = await engine.info()
    prefix_tokens = await engine.count_tokens(prefix)
    if prefix_tokens is None or info.max_input_tokens is info.max_total_tokens is None:
        logger.warning("lengths are not checked: %s does not tell limits or tokens", info.model_id)
        return
    prompt = prefix_tokens + longest_query_tokens
    parts = f"{prefix_tokens} tokens of constitution and {longest_query_tokens} of query"
    if info.max_input_tokens is not None and prompt > info.max_input_tokens:
        raise PromptTooLong(
            f"the prompt may have {parts}, but {info.model_id} takes max_input_tokens = "
            f"{info.max_input_tokens}: {prompt - info.max_input_tokens} too many. Shorten the "
            "constitution (fewer or shorter exemplars) or the longest query, or start the engine "
            "with a larger limit (TGI: MAX_INPUT_TOKENS)"
        )
    total = prompt + params.max_new_tokens
    if info.max_total_tokens is not None and total > info.max_total_tokens:
        raise PromptTooLong(
            f"{parts} and max_new_tokens = {params.max_new_tokens} make {total}, but "
            f"{info.model_id} takes max_total_tokens = {info.max_total_tokens}: "
            f"{total - info.max_total_tokens} too many. Lower max_new_tokens, shorten the "
            "constitution or the longest query, or start the engine with a larger limit (TGI: "
            "MAX_TOTAL_TOKENS)"
        )
