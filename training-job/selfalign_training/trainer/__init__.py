"""A job on each of its ranks, and within it one optimizer step, from top to bottom.

The job (`run_job`): configuration and data are checked, rows tokenized; `session` joins the process
group, finds the checkpoint to go on from, loads the model and trains; then `publish` merges,
uploads, and writes the manifest last.

One optimizer step, which takes `global_batch_size` sequences:

1. `epoch_order.EpochSampler` names the rows of the step, in an order that only seed, epoch and the
   lengths decide; `data.sequence_table` reads them from the token cache.
2. For each micro batch `engraving_trainer.training_step` counts tokens and notes the rows
   (`sample_log`); transformers and DeepSpeed compute loss and gradients.
3. DeepSpeed reduces and clips the gradients and steps the optimizer, as `arguments` and
   `configuration.zero` say; `grad_norm` takes the gradients' norm where DeepSpeed does not.
4. `callbacks`: the step's rows are written down, and SIGTERM on any rank stops all of them.
5. `step_report`: rank 0 makes a record of loss and speed: an event, a line of the log, metrics
   (all opened by `reporting`).
6. Every `save_steps` steps the trainer writes a checkpoint, and `checkpoints` sends it to the store
   while training goes on.
"""
