"""Users: who there is, how they sign in, and which of their sessions still count.

Purpose: sign people up, check their passwords, hand out and renew tokens, end sessions everywhere, keep profiles.

Tables: users, login_attempts; sessions, refresh_tokens, issued_revocations, revocation_numbers; signing_keys.
Publishes: User-Creation, User-Update, User-Deactivation (never an e-mail address or a phone number).
Consumes: nothing.
Calls: nobody.
"""
