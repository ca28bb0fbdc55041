"""What a run asks of sampling that few engines offer: found out before any work starts."""

from selfalign.errors import ConfigError
from selfalign.inference.contract.engine import EngineInfo
from selfalign.settings.sampling import SamplingParams


def check_offered(info: EngineInfo, params: SamplingParams) -> None:
    """Raises ConfigError if the engine would leave something of `params` out in silence."""
    if any(params.ngram_penalties) and not info.ngram_penalties:
        raise ConfigError(
            f"sampling.ngram_penalties: {list(params.ngram_penalties)} is set, but the engine of "
            f"{info.model_id or 'this model'} does not offer it; expected the model-server, or no "
            "such setting (repetition_penalty is in its place by default)"
        )
