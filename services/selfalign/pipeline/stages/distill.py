"""Stage `distill`: verbose cloning, the base model trained afresh (paper, section 3.4)."""

from selfalign.pipeline.run.layout import LAYOUT_SETTINGS
from selfalign.pipeline.stages import refine
from selfalign.pipeline.stages.kinds.training_stage import TrainingStage

STAGE = TrainingStage(
    name="distill",
    after=(refine.STAGE.name,),
    settings=("distill", "end_of_turn", *LAYOUT_SETTINGS),
    files=("constitution",),
    own_files=("distill.data.extra_rows",),
    results=(("adapter", "adapter"), ("model", "merged")),
    makes="final",
    rows_of=refine.STAGE.name,
    paper_preset="paper-distill",
)
