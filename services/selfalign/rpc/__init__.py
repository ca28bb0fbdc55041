"""gRPC: server, interceptors, streams, channels and typed clients."""
