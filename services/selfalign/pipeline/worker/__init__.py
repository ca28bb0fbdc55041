"""The stage worker: a process that turns units into parts by way of a gRPC service."""
