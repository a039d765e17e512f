"""Who looked at what, took what out and changed what: a list that only grows and shows when it was tampered with."""
