"""Every dialect under the name that `engine.kind` gives it. The first is the default."""

from selfalign.inference.dialects.dialect import Dialect
from selfalign.inference.dialects.openai import OpenAIDialect
from selfalign.inference.dialects.tgi import TgiDialect

DIALECTS: dict[str, type[Dialect]] = {
    "tgi": TgiDialect,
    "openai": OpenAIDialect,
}
