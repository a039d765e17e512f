"""Reading one field of an appointment request from what a person wrote: plain functions, one field a file."""
