"""The training job: LoRA fine-tuning with TRL on DeepSpeed, from the rows in the store."""
