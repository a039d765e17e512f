"""Everything that is stored, in one file that goes into either database."""
