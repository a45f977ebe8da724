"""An app of the tests whose only migration needs a lock that nobody else may hold."""
