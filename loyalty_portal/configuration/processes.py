"""Settings of single processes, which gunicorn reads before Django does."""

