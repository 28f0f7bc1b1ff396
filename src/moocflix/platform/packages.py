"""What is said where a package is missing that `make run` does not install."""

INSTALL = "`make packages` installs it, out of requirements/distributed.lock"
