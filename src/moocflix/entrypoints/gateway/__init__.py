"""Configuration files of gateways, made out of the one route table."""
