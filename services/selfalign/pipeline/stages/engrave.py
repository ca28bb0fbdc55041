"""Stage `engrave`: principle engraving, training without the constitution (paper, section 3.3)."""

from selfalign.pipeline.run.layout import LAYOUT_SETTINGS
from selfalign.pipeline.stages import align
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage

STAGE = TrainingStage(
    name="engrave",
    after=(align.STAGE.name,),
    settings=("engrave", "end_of_turn", *LAYOUT_SETTINGS),
    files=("constitution",),
    own_files=("engrave.data.extra_rows",),
    results=(("adapter", "adapter"), ("model", "merged")),
    makes="engraved",
    rows_of=align.STAGE.name,
    paper_preset="paper",
    meta_prompts=1,
)
