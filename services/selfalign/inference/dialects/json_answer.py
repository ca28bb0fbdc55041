"""An answer's JSON as a model of the fields that matter; the parser skips all others unbuilt."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from selfalign.inference.http.http_errors import not_an_answer
from selfalign.inference.http.http_messages import HttpResponse

Model = TypeVar("Model", bound=BaseModel)
TokenCount = Annotated[int, Field(ge=0, lt=2**31)]
"""What a row has room for."""


def parse(response: HttpResponse, model: type[Model]) -> Model:
    """The body as `model`.

    Raises:
        EngineError: it is something else.
    """
    try:
        return model.model_validate_json(response.body)
    except ValidationError as error:
        raise not_an_answer(response) from error
