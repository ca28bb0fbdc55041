"""Stage `align`: answers with the constitution in context (paper, section 3.2)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from selfalign.pipeline.run.layout import LAYOUT_SETTINGS, kept_template
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import prompts
from selfalign.pipeline.stages.kinds.answer_stage import AnswerStage, Ask
from selfalign.pipeline.stages.prompt_split import align_prompts
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import PrincipleEngineClient
from selfalign.rpc.layouts import RunLayout


@asynccontextmanager
async def asking(channel: ChannelSettings, run: Run) -> AsyncIterator[Ask]:
    """The service's stream in the run's layout, over a client of its own."""
    layout = RunLayout(kept_template(run.config))
    async with PrincipleEngineClient(channel) as client:
        yield partial(client.align_prompts, layout=layout)


STAGE = AnswerStage(
    name="align",
    after=(prompts.STAGE.name,),
    settings=("align", "rows", *LAYOUT_SETTINGS),
    files=("constitution",),
    service="principle-engine",
    prompts=align_prompts,
    asking=asking,
)
