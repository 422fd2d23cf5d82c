"""Who may use the gateway, and what browsers are told not to do."""
