"""What patients are told: the answers, the clinic's facts, and what may not be said."""
