"""/score: how likely given continuations of a prompt are. Our own route; TGI has none like it.

TGI gives the log-probabilities of a prompt's tokens by decoder_input_details: of all of them, one
continuation a request, past the prefix cache. Here continuations share the prompt's keys and
values, are computed together, and the head runs over their positions alone.
"""

from dataclasses import dataclass

from aiohttp import web
from pydantic import Field, StrictStr

from selfalign.model_server.api.request_bodies import Body, read_body
from selfalign.model_server.api.scorer import Scorer


class ScoreRequest(Body):
    """Body of /score."""

    inputs: StrictStr
    """The prompt."""
    continuations: list[StrictStr] = Field(min_length=1)
    """Each follows the prompt by itself."""


@dataclass(frozen=True, slots=True)
class ScoreRoutes:
    """The handler."""

    scorer: Scorer

    async def score(self, request: web.Request) -> web.Response:
        """POST /score."""
        body = await read_body(request, ScoreRequest)
        found = await self.scorer.score(body.inputs, body.continuations)
        scores = [{"logprob": one.logprob, "tokens": one.tokens} for one in found]
        return web.json_response({"scores": scores})
