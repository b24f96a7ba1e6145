"""What is going on: the shared memory's geometry."""
