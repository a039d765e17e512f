"""How long what patients left behind is kept, and what each of them may ask for: a copy of it, or its deletion."""
