"""The learning rate of each step."""

import pytest
import torch
from transformers.training_args import TrainingArguments

from selfalign_training.trainer.engraving_trainer import EngravingTrainer


def rates(scheduler: str, warmup: int, steps: int) -> list[float]:
    """The rate that each optimizer step of a training is made with; the highest is 1."""
    trainer = EngravingTrainer.__new__(EngravingTrainer)
    trainer.args = TrainingArguments(
        lr_scheduler_type=scheduler, warmup_steps=warmup, use_cpu=True, report_to="none"
    )
    trainer.optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    trainer.lr_scheduler = None
    schedule = trainer.create_scheduler(steps)
    seen = []
    for _ in range(steps):
        seen.append(trainer.optimizer.param_groups[0]["lr"])
        trainer.optimizer.step()
        schedule.step()
    return seen


@pytest.mark.parametrize(
    ("scheduler", "warmup", "expected"),
    [
        ("linear", 0, [1.0, 0.75, 0.5, 0.25]),
        ("linear", 2, [0.5, 1.0, 2 / 3, 1 / 3]),
        ("linear", 4, [0.25, 0.5, 0.75, 1.0]),
        ("constant", 2, [1.0, 1.0, 1.0, 1.0]),
        ("cosine", 2, [0.5, 1.0, 0.75, 0.25]),
    ],
)
def test_every_step_teaches(scheduler: str, warmup: int, expected: list[float]) -> None:
    assert rates(scheduler, warmup, 4) == pytest.approx(expected)


def test_one_step_is_a_training_too() -> None:
    assert rates("linear", 2, 1)[0] > 0
