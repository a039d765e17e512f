"""Natural language understanding: Rasa graph components."""
