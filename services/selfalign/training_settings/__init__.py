"""Settings of a training that need no torch: the training job's, and the run file's sections."""
