"""`estimate`: memory and hours of a job, worked out before anything is loaded."""
