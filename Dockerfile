# syntax=docker/dockerfile:1
# One image for every process; docker-compose.yml and docs/operations.md name their commands.

FROM python:3.13.9-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
# For traces or Sentry: docker build --build-arg REQUIREMENTS=requirements-otel.txt; for SQS or S3 too: requirements-aws.txt
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt requirements-otel.txt requirements-aws.txt /tmp/
# The file lists every dependency, so pip resolves none and the build is repeatable.
RUN /venv/bin/pip install --no-deps --require-hashes -r "/tmp/$REQUIREMENTS" && /venv/bin/pip check

FROM python:3.13.9-slim-bookworm
# No variable that an env file may also set: an empty value there would override this one.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --no-create-home portal
WORKDIR /app
COPY --from=packages /venv /venv
COPY . .
# Collects into the default STATIC_ROOT. Production mode gives the files hashed names; the dummy
# settings that it needs are used for this command only.
RUN python .ci/production.py collectstatic --noinput --verbosity 0
# The folders for uploaded pictures, for the search index, for Alertmanager's configuration, and for the sandbox's data when it
# runs from this image.
RUN mkdir /media /search /alerts /data && chown portal /media /search /alerts /data
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-c", "import os; \
from urllib.request import urlopen; \
urlopen('http://127.0.0.1:' + (os.environ.get('PORT') or '8000') + '/healthz', timeout=4)"]
# The web process, also in docker-compose.yml. It listens on PORT.
CMD ["python", "-m", "loyalty_portal.web"]
