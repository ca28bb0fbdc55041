"""From settings to an engine."""

from selfalign.inference.client.adapter_check import AdapterCheck
from selfalign.inference.client.admission import Admission
from selfalign.inference.client.engine_settings import EngineSettings
from selfalign.inference.client.retry import RetryingCaller, RetryPolicy
from selfalign.inference.contract.engine import Engine
from selfalign.inference.dialects.register import DIALECTS
from selfalign.telemetry.metrics import Metrics


def build_engine(settings: EngineSettings, metrics: Metrics) -> Engine:
    """The client of the engine that `settings` name. Nothing is sent before the first call.

    Raises:
        ConfigError: no url, the variable of `token_env` is not set, or `tls_ca` cannot be read.
    """
    # aiohttp takes a third of a second to import, and commands that only read a run need none.
    from selfalign.inference.client.http_engine import HttpEngine
    from selfalign.inference.http.transport import HttpTransport

    target = settings.target()
    dialect = DIALECTS[settings.kind]
    policy = RetryPolicy(
        attempts=settings.retry_attempts,
        base_s=settings.retry_base_s,
        max_s=settings.retry_max_s,
        attempt_timeout_s=settings.request_timeout_s,
        outage_patience_s=settings.outage_patience_s,
    )
    return HttpEngine(
        dialect(target),
        HttpTransport(settings.token(), settings.connect_timeout_s, settings.tls_ca),
        RetryingCaller(Admission(settings.max_concurrency, metrics), policy, metrics),
        metrics,
        top_logprobs=settings.top_logprobs,
        adapter_check=AdapterCheck.of(dialect, target),
    )
