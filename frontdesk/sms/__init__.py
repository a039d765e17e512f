"""Texting with visitors through Twilio: the webhook, opting out, and replies that fit into one SMS."""
