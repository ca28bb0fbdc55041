"""The start of a job's ranks, from the command to the process group.

From top to bottom:

1. `python -m selfalign_training node CONFIG` on every machine (`command_line`, `node`): SIGTERM is
   heard, the environment says which machine this is (`machine`), the file is read, and its batches
   are worked out for all ranks. A job that is done ends here. On one machine alone `launch`
   (`torchrun.launch`) does less.
2. The machines find each other (`rendezvous`, by the names and addresses of `addresses`): node 0
   keeps a TCPStore, compares what all of them are to run, and opens the gate.
3. torchrun starts this machine's ranks as `python -m selfalign_training CONFIG` (`torchrun`), and
   their exit codes become the node's own (`exit_codes`).
4. Each rank sets what its libraries read when they are imported (`environment`), learns its place
   from torchrun (`place`), and runs `trainer.run_job`, which starts the `process_group` once its
   data are tokenized.
5. When the ranks have ended, the other nodes wait for node 0 to publish the output (`node`).
"""
