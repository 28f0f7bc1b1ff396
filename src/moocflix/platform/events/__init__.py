"""Events: outbox, log, consumer groups, inbox."""
