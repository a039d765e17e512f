"""Appointment requests: models and repository, used by the action server, the console and the command line."""
