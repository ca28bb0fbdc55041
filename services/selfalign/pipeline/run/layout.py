"""The layout of a run: chosen once, when the run starts, and kept with it in run.yaml.

Services, workers, evaluation, chat and training follow what is kept there; none looks for itself.
"""

from functools import partial

from selfalign.constitution.yaml_file import load_constitution
from selfalign.errors import ConfigError, ModelError
from selfalign.layout.build import make_layout
from selfalign.layout.chat_template import ChatTemplate
from selfalign.layout.contract import Layout
from selfalign.layout.template import TemplateLayout
from selfalign.layout.tokenizer_files import find_chat_template
from selfalign.pipeline.run.config import RunConfig
from selfalign.weights.small_files import read_small_file, readable

LAYOUT_SETTINGS = ("layout", "chat_template")
"""What a stage depends on whose prompts or texts have the run's layout."""


def run_layout(config: RunConfig) -> Layout:
    """The layout of a run that was started.

    Raises:
        ConfigError: its template cannot be used.
    """
    return make_layout(load_constitution(config.constitution), kept_template(config))


def kept_template(config: RunConfig) -> ChatTemplate | None:
    """The chat template that the run follows; None: the headers."""
    return None if config.layout == "headers" else config.chat_template


def own_layout(config: RunConfig) -> Layout | str:
    """The base model's own chat template, as the evaluation asks it; or why it has none to ask by.

    Also of a run in the headers layout, whose base model may have a template all the same.
    """
    base, weights = config.model.base, config.model.weights
    if config.chat_template is None and not readable(weights):
        return f"model.base {base!r} cannot be looked into, so its chat template is not known"
    try:
        template = config.chat_template or _find(config)
        if template is None:
            return f"model.base {base!r} has no chat template"
        return TemplateLayout(load_constitution(config.constitution), template)
    except (ConfigError, ModelError) as error:
        return str(error)


def choose_layout(config: RunConfig) -> RunConfig:
    """The configuration of a new run with its layout decided.

    Raises:
        ConfigError: the template cannot be used, is asked for and not there, or cannot be looked
            for from here; the tokenizer has no token that ends an answer.
        ModelError, StoreError: the model's files cannot be read.
    """
    if config.layout == "headers":
        return _decided(config, None)
    template = config.chat_template or _find(config)
    if template is None and config.layout == "chat_template":
        raise ConfigError(
            f"layout: 'chat_template', but model.base {config.model.base!r} has no chat template; "
            "expected chat_template.jinja or chat_template in tokenizer_config.json. Set layout: "
            "headers, or give chat_template"
        )
    decided = _decided(config, template)
    run_layout(decided)
    return decided


def keep_layout(config: RunConfig, stored: RunConfig) -> RunConfig:
    """The configuration of a run that is there, with the layout that it began with.

    An explicit wish for another one stays, so that it is seen as a difference.
    """
    if config.layout not in ("auto", stored.layout):
        return config
    template = stored.chat_template
    if config.layout != "headers" and config.chat_template is not None:
        template = config.chat_template
    return config.model_copy(update={"layout": stored.layout, "chat_template": template})


def _find(config: RunConfig) -> ChatTemplate | None:
    weights = config.model.weights
    if not readable(weights):
        raise ConfigError(
            f"layout: {config.layout!r}: model.base {config.model.base!r} cannot be looked into "
            "from here, so its chat template is not known. Give chat_template (`selfalign weights "
            "chat-template FOLDER` prints it where the folder is), or set layout: headers"
        )
    return find_chat_template(partial(read_small_file, weights), config.model.base)


def _decided(config: RunConfig, template: ChatTemplate | None) -> RunConfig:
    choice = "headers" if template is None else "chat_template"
    return config.model_copy(update={"layout": choice, "chat_template": template})
