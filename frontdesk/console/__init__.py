"""The staff console at `/staff`: sign-in, the list of requests, one request with its conversation."""
