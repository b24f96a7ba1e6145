"""Certificates: read, checked, made by a local authority, and read again when their files change."""
