"""How much the gateway takes on at once, and how long a connection may take."""
