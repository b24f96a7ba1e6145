"""The real policies under virtual time: a worker's exchanges between simulated clients and endpoints."""
