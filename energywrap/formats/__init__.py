"""Renderings of a report: one file each, and none of them computes anything."""
