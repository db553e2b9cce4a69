"""Batches: one request, many inputs, results in files; in this process or in several.

No module here imports torch before a session is opened, and none knows the command line.
"""
