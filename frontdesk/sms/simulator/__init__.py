"""A stand-in for Twilio on this machine: it speaks Twilio's protocol both ways, so that no account is needed."""
