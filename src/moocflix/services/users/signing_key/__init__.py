"""A signing key: what access tokens are signed with, and what their signature is checked by."""
