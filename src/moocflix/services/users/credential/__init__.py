"""A credential: the e-mail address or phone number and the password that somebody signs in with."""
