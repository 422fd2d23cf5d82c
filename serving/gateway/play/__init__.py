"""A session's dialogue, and the music in it: no socket, no HTTP, no gRPC."""
