"""The model on its way through a job.

In this order:

1. `targets` and `base_model.check_base`: what can be known before any weight is loaded.
2. `device`: what the job computes on, and whether sequences are packed there.
3. `base_model.load_model`: the weights, in the training's dtype, with peft's adapter settings.
4. `gathered_weights`: the trained tensors, whole, off all ranks.
5. `merge`: the adapter into the base model's files.
"""
