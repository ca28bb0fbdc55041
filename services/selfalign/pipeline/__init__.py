"""The pipeline: run configuration, stages, worker, runner and executors."""
