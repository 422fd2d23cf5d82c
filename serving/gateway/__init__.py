"""The session gateway: HTTP and WebSocket in, the model server's gRPC out."""
