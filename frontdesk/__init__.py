"""The front desk: the only process the world sees. Chat, SMS, leads and the staff console."""
