"""These tests are the package `tests`, so that the one textstat leaves beside itself does not take the name."""
