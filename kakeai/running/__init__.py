"""What all stages share while they run: log lines, the outcome of a run, SIGTERM."""
