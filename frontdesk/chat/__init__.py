"""Conversations with visitors: the chat API and what stands behind it for every channel."""
