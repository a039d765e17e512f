"""What runs inside Rasa: understanding, wording, the tracker store and the channel to the front desk."""
