"""Where the work runs: the Executor protocol and its implementations."""
