"""The layout of a run, to its message and back."""

from dataclasses import dataclass

from selfalign.layout.chat_template import ChatTemplate
from selfalign.settings.documents import validate
from selfalign.v1 import refiner_pb2 as pb


@dataclass(frozen=True, slots=True)
class RunLayout:
    """How a run asks its students."""

    template: ChatTemplate | None
    """None: the published headers."""


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
