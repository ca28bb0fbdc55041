"""The job's configuration and the run file's sections know the same settings."""

from selfalign.training_settings.hyperparameters import Hyperparameters
from selfalign.training_settings.run_section import SET_BY_THE_PIPELINE, OwnData, TrainingSection
from selfalign_training.configuration.training_config import DataConfig, TrainingConfig


def test_the_pipeline_sets_all_that_is_no_hyper_parameter() -> None:
    section = set(TrainingSection.model_fields)
    assert section - set(Hyperparameters.model_fields) == {"data"}
    assert set(OwnData.model_fields) < set(DataConfig.model_fields)
    assert set(TrainingConfig.model_fields) - section == set(SET_BY_THE_PIPELINE)


def test_a_job_requires_what_only_presets_give() -> None:
    optional = {name for name, field in Hyperparameters.model_fields.items() if not field.default}
    required = {
        name
        for name in Hyperparameters.model_fields
        if TrainingConfig.model_fields[name].is_required()
    }
    assert required < optional
    assert required == {
        "learning_rate",
        "epochs",
        "global_batch_size",
        "micro_batch_size",
        "max_length",
    }


def test_every_setting_is_described() -> None:
    """The reference of settings is made of these texts."""
    missing = [name for name, field in TrainingConfig.model_fields.items() if not field.description]
    assert missing == []
