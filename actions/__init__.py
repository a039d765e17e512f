"""What Rasa asks to be done: the appointment form, its validation, and saving a confirmed request."""
