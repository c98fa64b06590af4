"""Withdrawing a subject: finding a person everywhere, removing the person, and a signed receipt of it."""
