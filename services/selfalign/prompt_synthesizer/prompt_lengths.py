"""The start-up check: do the longest prompts and their completions fit the engine's context?"""

from selfalign.errors import ConfigError
from selfalign.inference.contract.engine import Engine, EngineInfo
from selfalign.inference.contract.offers import check_offered
from selfalign.prompt_synthesizer.synthesizer import Synthesizer

REMEDY = "shorten the seeds or show fewer of them, lower max_new_tokens, or raise the engine's"


async def check_limits(engine: Engine, info: EngineInfo, synthesizer: Synthesizer) -> None:
    """Counts the tokens of the longest requests; what an engine does not report is not checked.

    Raises:
        ConfigError: naming the section, what does not fit, and the remedy.
        EngineUnavailable: the engine is down.
    """
    for section, request in synthesizer.longest_requests():
        check_offered(info, request.sampling)
        tokens = await engine.count_tokens(request.prompt)
        if tokens is None:
            continue
        total = tokens + request.sampling.max_new_tokens
        if info.max_input_tokens is not None and tokens > info.max_input_tokens:
            raise ConfigError(
                f"synthesizer.{section}: the longest prompt has {tokens} tokens, the engine takes "
                f"{info.max_input_tokens}; {REMEDY} input limit"
            )
        if info.max_total_tokens is not None and total > info.max_total_tokens:
            raise ConfigError(
                f"synthesizer.{section}: prompt and completion need {total} tokens ({tokens} + "
                f"max_new_tokens {request.sampling.max_new_tokens}), the engine takes "
                f"{info.max_total_tokens}; {REMEDY} total limit"
            )
