"""Definitions of every table, write-audit-publish, and releases."""
