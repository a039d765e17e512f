"""Notices danger in what somebody writes, before and without Rasa, and says what to do."""
