"""The domain-free tier: nothing here knows what a course is."""
