"""From settings to an engine."""

import os

from selfalign.errors import ConfigError
from selfalign.inference.admission import Admission
from selfalign.inference.engine import Engine
from selfalign.inference.retry import Calls, RetryPolicy
from selfalign.inference.settings import EngineSettings
from selfalign.telemetry.metrics import Metrics


def build_engine(settings: EngineSettings, metrics: Metrics) -> Engine:
    """The client of the engine that `settings` name. Nothing is sent before the first call.

    Raises:
        ConfigError: no url, or the variable of `token_env` is not set.
    """
    if settings.url is None:
        raise ConfigError("engine.url is not set; expected the engine's address, http://host:port")
    token = None
    if settings.token_env is not None:
        token = os.environ.get(settings.token_env)
        if not token:
            raise ConfigError(
                f"engine.token_env: the environment variable {settings.token_env} is not set; "
                "set it to the engine's token, or leave token_env out"
            )
    policy = RetryPolicy(
        attempts=settings.retry_attempts,
        base_s=settings.retry_base_s,
        max_s=settings.retry_max_s,
        attempt_timeout_s=settings.request_timeout_s,
    )
    calls = Calls(Admission(settings.max_concurrency, metrics), policy, metrics)
    # Each library takes a quarter of a second to import and only one is needed.
    if settings.kind == "tgi":
        from selfalign.inference.tgi import TgiEngine

        return TgiEngine(settings, calls, token, metrics)
    from selfalign.inference.openai import OpenAIEngine

    return OpenAIEngine(settings, calls, token, metrics)
