"""Streams of OpenAI-compatible servers through openai's client."""

from collections.abc import AsyncGenerator

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAIError

from selfalign.errors import EngineError
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.dialects.openai import api_root, extra_parameters, sampling_parameters
from selfalign.inference.http.transport import tls_context
from selfalign.settings.sampling import SamplingParams


async def openai_pieces(
    settings: EngineSettings, prompt: str, params: SamplingParams, seed: int | None
) -> AsyncGenerator[str, None]:
    """The text of every event of /v1/completions; it may be empty.

    Raises:
        EngineError: the client could not connect, or the stream broke.
        ConfigError: the settings name no url, a token that is not there or a CA file that cannot
            be read.
    """
    target = settings.target()
    root = api_root(target)
    trust = tls_context(settings.tls_ca) if settings.tls_ca is not None else True
    client = AsyncOpenAI(
        # Without a key, the library would send the user's own of OpenAI.
        api_key=settings.token() or "unused",
        base_url=root,
        max_retries=0,
        timeout=None,
        http_client=DefaultAsyncHttpxClient(verify=trust),
    )
    async with client:
        try:
            events = await client.completions.create(
                model=str(target.model),
                prompt=prompt,
                stream=True,
                extra_body=dict(extra_parameters(params)),
                **sampling_parameters(target, params, seed),
            )
            async for event in events:
                for choice in event.choices:
                    yield choice.text or ""
        # The library lets those of its HTTP client and of its JSON decoder through.
        except (OpenAIError, httpx2.HTTPError, ValueError) as error:
            raise EngineError(f"{root}: {str(error) or type(error).__name__}") from error
