"""Stored files behind one port."""
