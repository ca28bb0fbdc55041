"""The layout of a run, to its message and back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.contract import Layout
from selfalign.settings.documents import validate
from selfalign.v1 import common_pb2 as pb


@dataclass(frozen=True, slots=True)
class RunLayout:
    """How a run asks its models."""

    template: ChatTemplate | None
    """None: the published headers."""


class LayoutRequest(Protocol):
    """A request that may name a layout."""

    @property
    def layout(self) -> pb.Layout:
        """Empty where none is named."""
        ...

    def HasField(self, field_name: Literal["layout"], /) -> bool:  # noqa: N802 - protobuf's name
        """Whether it names one."""
        ...


@dataclass(slots=True)
class ToldLayout:
    """The layout of a stream's prompts: it holds from the request that names it on."""

    make: Callable[[ChatTemplate | None], Layout]
    """Raises ConfigError if the template cannot be used."""
    current: Layout | None = None
    """None: nobody has named one."""

    def of(self, request: LayoutRequest) -> Layout | None:
        """The layout of a request; to be asked in the requests' order.

        Raises:
            ConfigError: the layout that it names cannot be used.
        """
        if request.HasField("layout"):
            self.current = self.make(template_from_message(request.layout))
        return self.current


def layout_to_message(layout: RunLayout) -> pb.Layout:
    """The message of a layout."""
    template = layout.template
    if template is None:
        return pb.Layout()
    return pb.Layout(chat_template=pb.ChatTemplate(**template.model_dump()))


def template_from_message(message: pb.Layout) -> ChatTemplate | None:
    """The chat template of a layout; None: the headers. Raises ConfigError if it is no template."""
    if not message.HasField("chat_template"):
        return None
    found = message.chat_template
    values = {
        "text": found.text,
        "special_tokens": dict(found.special_tokens),
        "end_tokens": tuple(found.end_tokens),
        "adds_bos": found.adds_bos,
    }
    return validate(ChatTemplate, values, "layout.chat_template")
