"""What a melody is, and what can learn one."""
