"""Streams of TGI through huggingface_hub's AsyncInferenceClient."""

from collections.abc import AsyncGenerator

import httpx2
from huggingface_hub import AsyncInferenceClient

from selfalign.errors import EngineError
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.dialects.tgi import sampling_parameters
from selfalign.settings.sampling import SamplingParams


async def tgi_pieces(
    settings: EngineSettings, prompt: str, params: SamplingParams, seed: int | None
) -> AsyncGenerator[str, None]:
    """The text of every token as TGI sends it, of special ones the empty text.

    Raises:
        EngineError: the client could not connect or be used, or the stream broke.
        ConfigError: the settings name no url, or a token that is not there.
    """
    target = settings.target()
    # Without a token, the library would send the user's own of the Hugging Face Hub.
    token = settings.token() or "unused"
    async with AsyncInferenceClient(target.url, token=token) as client:
        try:
            events = await client.text_generation(
                prompt, details=True, stream=True, **sampling_parameters(target, params, seed)
            )
            async for event in events:
                yield "" if event.token.special else event.token.text
        # The library lets those of its HTTP client and of its JSON decoder through.
        except (httpx2.HTTPError, httpx2.StreamError, OSError, ValueError) as error:
            raise EngineError(f"{target.url}: {str(error) or type(error).__name__}") from error
