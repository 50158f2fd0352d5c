"""Runs in the trackers of other people."""
