"""Stage `refine`: fuller answers by the engraved model to all prompts (paper, section 3.4)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from selfalign.pipeline.stages import engrave, prompts
from selfalign.pipeline.stages.kinds.answer_stage import AnswerStage, Ask
from selfalign.pipeline.stages.prompt_split import training_prompts
from selfalign.rpc.channel import ChannelSettings
from selfalign.rpc.clients import RefinerClient


@asynccontextmanager
async def asking(channel: ChannelSettings) -> AsyncIterator[Ask]:
    """The service's stream, over a client of its own."""
    async with RefinerClient(channel) as client:
        yield client.refine_prompts


STAGE = AnswerStage(
    name="refine",
    after=(prompts.STAGE.name, engrave.STAGE.name),
    settings=("refine", "rows"),
    files=("constitution",),
    results=(("data set", ""),),
    service="refiner",
    model=engrave.STAGE,
    prompts=training_prompts,
    asking=asking,
)
