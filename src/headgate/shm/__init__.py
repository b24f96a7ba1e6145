"""What is going on: the shared memory's geometry, and the secrets of session tickets."""
