"""What whoever runs the gateway gets to see: logs, metrics, traces, request ids."""
