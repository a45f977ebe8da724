"""Tests of what holds data: a replica, brokers, schedulers, migrations."""
