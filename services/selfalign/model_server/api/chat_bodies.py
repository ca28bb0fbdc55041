"""The request body of OpenAI's chat API, and what it asks of the engine."""

from typing import Literal

from pydantic import Field, StrictBool, StrictStr

from selfalign.model_server.api.request_bodies import U32, Body, GenerateParameters, OpenAiRequest


class TextPart(Body):
    """A part of a message; other kinds than text are refused."""

    type: Literal["text"]
    text: StrictStr


class ChatMessage(Body):
    """One message of the conversation."""

    role: StrictStr
    content: StrictStr | list[TextPart]

    def plain(self) -> dict[str, str]:
        """As chat templates read it."""
        if isinstance(self.content, str):
            return {"role": self.role, "content": self.content}
        return {"role": self.role, "content": "".join(part.text for part in self.content)}


class StreamOptions(Body):
    """Of an answer that is a stream."""

    include_usage: StrictBool = False


class ChatRequest(OpenAiRequest):
    """Body of /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    max_completion_tokens: U32 | None = None
    """OpenAI's newer name of `max_tokens`."""
    stream_options: StreamOptions | None = None
    logprobs: StrictBool | None = None
    top_logprobs: U32 | None = None
    n: U32 | None = None
    tools: list[object] | None = None
    response_format: dict[str, object] | None = None

    def unsupported(self) -> str | None:
        """The field that asks for what this server does not do."""
        asked = {
            "n": self.n not in (None, 1),
            "tools": bool(self.tools),
            "response_format": (self.response_format or {}).get("type", "text") != "text",
        }
        return next((name for name, given in asked.items() if given), None)

    def parameters(self) -> GenerateParameters:
        """What it asks of the engine."""
        newer = self.max_completion_tokens
        wanted = self.max_tokens if newer is None else newer
        return self.native(wanted, self.top_logprobs if self.logprobs else None)
