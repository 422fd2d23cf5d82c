"""What answers players: a model server, the gateway before it, and the session page."""
