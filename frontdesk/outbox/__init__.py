"""Telling the clinic of new requests and alarms: by e-mail and by a signed webhook, never with patient data."""
