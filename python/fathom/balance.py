"""Expert load balancing."""
