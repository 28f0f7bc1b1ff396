"""What bytes are and what they become: recognising, probing and transcoding videos, each in a confined process.

Nothing here knows the database, HTTP or the store. av is imported by the probe's own process alone.
"""
