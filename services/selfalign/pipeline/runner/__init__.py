"""The runner: walks the stages of a run, keeps what is done, and proves that it adds up."""
