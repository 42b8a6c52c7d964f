"""Fake energy hardware for the tests: powercap in a private /sys, and an NVML library."""
