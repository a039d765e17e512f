"""What was understood, what staff make of it, and what the assistant learns from that."""
