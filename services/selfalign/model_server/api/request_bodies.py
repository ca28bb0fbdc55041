"""Request bodies of TGI's API: types and null rules only; values are checked in validation.py."""

import json
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError

U32 = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
U64 = Annotated[int, Field(strict=True, ge=0, le=2**64 - 1)]
I32 = Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Body(BaseModel):
    """Unknown fields are ignored, as in TGI."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class GenerateParameters(Body):
    """`parameters` of the generate routes."""

    best_of: U64 | None = None
    temperature: Real | None = None
    repetition_penalty: Real | None = None
    frequency_penalty: Real | None = None
    ngram_penalties: list[Real] | None = None
    """Ours: see RepeatedRuns."""
    top_k: I32 | None = None
    top_p: Real | None = None
    typical_p: Real | None = None
    do_sample: StrictBool = False
    max_new_tokens: U32 | None = None
    return_full_text: StrictBool | None = None
    stop: list[StrictStr] = Field(default_factory=list)
    truncate: U64 | None = None
    watermark: StrictBool = False
    details: StrictBool = False
    decoder_input_details: StrictBool = False
    seed: U64 | None = None
    top_n_tokens: U32 | None = None
    grammar: dict[str, object] | None = None
    adapter_id: StrictStr | None = None


class GenerateRequest(Body):
    """Body of /generate and /generate_stream."""

    inputs: StrictStr
    parameters: GenerateParameters = Field(default_factory=GenerateParameters)


class CompatRequest(GenerateRequest):
    """Body of `/`."""

    stream: StrictBool = False


class TokenizeRequest(Body):
    """Body of /tokenize."""

    inputs: StrictStr


class OpenAiRequest(Body):
    """What the bodies of OpenAI's routes have in common."""

    model: StrictStr | None = None
    max_tokens: U32 | None = None
    temperature: Real | None = None
    top_p: Real | None = None
    frequency_penalty: Real | None = None
    repetition_penalty: Real | None = None
    seed: U64 | None = None
    stop: StrictStr | list[StrictStr] | None = None
    stream: StrictBool = False

    def native(self, max_new_tokens: int | None, top_n_tokens: int | None) -> GenerateParameters:
        """The native parameters; temperature 0 is greedy decoding, as OpenAI's clients expect."""
        greedy = self.temperature == 0
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        return GenerateParameters(
            temperature=None if greedy else self.temperature,
            repetition_penalty=self.repetition_penalty,
            frequency_penalty=self.frequency_penalty,
            top_p=None if greedy or self.top_p == 1 else self.top_p,
            do_sample=not greedy,
            max_new_tokens=max_new_tokens,
            stop=stop or [],
            details=True,
            seed=self.seed,
            top_n_tokens=top_n_tokens,
        )


class CompletionRequest(OpenAiRequest):
    """Body of /v1/completions, OpenAI's legacy completion API."""

    prompt: StrictStr | list[StrictStr]
    logprobs: U32 | None = None
    """How many likely tokens to report at each place; TGI ignores it, this server answers it."""

    def parameters(self) -> GenerateParameters:
        """What it asks of the engine."""
        return self.native(self.max_tokens, self.logprobs)


class BodyError(Exception):
    """The body is not of the expected type; becomes a plain text answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


BodyT = TypeVar("BodyT", bound=Body)


async def read_body(request: web.Request, kind: type[BodyT]) -> BodyT:
    """Reads a JSON body.

    Raises:
        BodyError: 400, 413, 415 or 422, as TGI's framework answers.
    """
    if request.content_type != "application/json":
        raise BodyError(415, "Expected request with `Content-Type: application/json`")
    try:
        data = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        message = "Failed to buffer the request body: length limit exceeded"
        raise BodyError(413, message) from error
    try:
        value = json.loads(data)
        if b"\\ud" in data.lower():
            # Python lets half of a surrogate pair through, which no tokenizer can take.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        message = f"Failed to parse the request body as JSON: {error}"
        raise BodyError(400, message) from error
    return parse_body(kind, value)


def parse_body(kind: type[BodyT], value: object) -> BodyT:
    """Checks a decoded JSON value.

    Raises:
        BodyError: with the place and what is wrong there.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        at = (
            f"missing field `{place}`" if first["type"] == "missing" else f"{place}: {first['msg']}"
        )
        raise BodyError(
            422, f"Failed to deserialize the JSON body into the target type: {at}"
        ) from error
