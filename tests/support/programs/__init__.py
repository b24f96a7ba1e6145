"""Programs that tests run as real backends, each in a process of its own."""
