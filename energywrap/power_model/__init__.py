"""Watts where nothing can be measured: pure functions with intervals."""
