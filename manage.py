#!/usr/bin/env python
"""Runs management commands: `python manage.py <command>`."""

import os
import sys

from django.core.management import execute_from_command_line

from loyalty_portal.configuration.environment import forget_empty

if __name__ == "__main__":
    forget_empty()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_portal.settings")
    execute_from_command_line(sys.argv)
