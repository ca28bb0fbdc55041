"""Stage `refine`: fuller answers by the engraved model to all prompts (paper, section 3.4)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from selfalign.pipeline.run.layout import LAYOUT_SETTINGS, kept_template
from selfalign.pipeline.run.run import Run
from selfalign.pipeline.stages import engrave, prompts
from selfalign.pipeline.stages.kinds.answer_stage import AnswerStage, Ask
from selfalign.pipeline.stages.prompt_split import refine_prompts
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import RefinerClient
from selfalign.rpc.layouts import RunLayout


@asynccontextmanager
async def asking(channel: ChannelSettings, run: Run) -> AsyncIterator[Ask]:
    """The service's stream in the run's layout, over a client of its own."""
    layout = RunLayout(kept_template(run.config))
    async with RefinerClient(channel) as client:
        yield partial(client.refine_prompts, layout=layout)


STAGE = AnswerStage(
    name="refine",
    after=(prompts.STAGE.name, engrave.STAGE.name),
    settings=("refine", "rows", *LAYOUT_SETTINGS),
    files=("constitution",),
    results=(("data set", ""),),
    service="refiner",
    model=engrave.STAGE,
    prompts=refine_prompts,
    asking=asking,
)
