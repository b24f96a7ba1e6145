"""The API of the admin address, below /api/v1: what is going on as JSON, and orders of the operator."""
