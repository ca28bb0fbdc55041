"""Which layout a run has."""

from selfalign.constitution.schema import Constitution
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.contract import Layout
from selfalign.layout.headers import HeadersLayout
from selfalign.layout.template import TemplateLayout


def make_layout(constitution: Constitution, template: ChatTemplate | None) -> Layout:
    """The template's layout, or the headers where there is none.

    Raises:
        ConfigError: the template cannot be used; see TemplateLayout.
    """
    if template is None:
        return HeadersLayout(constitution)
    return TemplateLayout(constitution, template)
