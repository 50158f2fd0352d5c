"""A recording: its settings, its rows and what is on disk."""
