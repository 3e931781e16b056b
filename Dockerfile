# syntax=docker/dockerfile:1
# One image, one role per container: `docker run IMAGE web`, `runner --environment production`, `scheduler`, …
# Every process is a user of its own; keys, secrets and data come in volumes, nothing of them is in a layer.
ARG BASE=python:3.11-slim-trixie

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/opsportal
COPY requirements.lock ./
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements.lock
COPY manage.py pyproject.toml LICENSE ./
COPY opsportal ./opsportal
COPY procedures ./procedures
COPY runbooks ./runbooks
# The settings of this step are thrown away with it: they sign nothing and reach nothing.
RUN /opt/venv/bin/python -c "from pathlib import Path; from opsportal.editable import link_project; link_project(Path.cwd(), Path('/opt/venv/bin/python'))" \
 && OPSPORTAL_NO_BOOTSTRAP=1 OPSPORTAL_PROFILE=production OPSPORTAL_ROOT_OK=yes OPSPORTAL_DATA_DIR=/tmp/build \
    OPSPORTAL_SECRET_KEY=only-for-collectstatic-and-never-seen-by-a-portal-at-all \
    DATABASE_URL=postgres://nobody@nowhere/none OPSPORTAL_BROKER_URL=redis://nowhere/0 \
    /opt/venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
 && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv /opt/opsportal \
 && chmod -R a+rX,go-w /opt/venv /opt/opsportal

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap git openssh-client postgresql-client util-linux \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10000 opsportal \
 && for role in web:10001 scheduler:10002 sequencer:10003 disposable:10004 install:10005 witness:10006 egress:10007 front:10008 \
      runner-development:10011 runner-staging:10012 runner-production:10013 \
      issuer-development:10021 issuer-staging:10022 issuer-production:10023; do \
      useradd --uid "${role#*:}" --gid 10000 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "${role%:*}" \
      && install -d -m 0700 -o "${role#*:}" -g 10000 "/var/lib/opsportal/${role%:*}" "/var/lib/opsportal/${role%:*}/keys" \
         "/var/lib/opsportal/${role%:*}/sources" \
      || exit 1; done \
 && install -d -m 0755 -o 10003 -g 10000 /var/lib/opsportal/sequencer/public /var/lib/opsportal/web/public \
 && install -d -m 0755 -o 10003 -g 10000 /var/lib/opsportal/log-public \
 && install -d -m 0755 -o 10006 -g 10000 /var/lib/opsportal/witness-policy \
 && install -d -m 0755 -o root -g root /var/lib/opsportal/doors \
 && install -d -m 0710 -o 10007 -g 10000 /var/lib/opsportal/doors/web \
 && install -d -m 0710 -o 10021 -g 10000 /var/lib/opsportal/doors/development \
 && install -d -m 0710 -o 10022 -g 10000 /var/lib/opsportal/doors/staging \
 && install -d -m 0710 -o 10023 -g 10000 /var/lib/opsportal/doors/production \
 && install -d -m 0755 -o root -g root /var/lib/opsportal/identity \
 && install -d -m 0700 -o 10021 -g 10000 /var/lib/opsportal/identity/development \
 && install -d -m 0700 -o 10022 -g 10000 /var/lib/opsportal/identity/staging \
 && install -d -m 0700 -o 10023 -g 10000 /var/lib/opsportal/identity/production \
 && install -d -m 3775 -o root -g 10000 /var/lib/opsportal/cards /var/lib/opsportal/backups
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/opsportal /opt/opsportal
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    OPSPORTAL_NO_BOOTSTRAP=1 OPSPORTAL_PROFILE=production OPSPORTAL_LOG_FORMAT=json \
    OPSPORTAL_DATA_DIR=/var/lib/opsportal/web
WORKDIR /opt/opsportal
USER 10001:10000
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s --retries=4 CMD ["python", "-S", "-m", "opsportal.alive"]
ENTRYPOINT ["opsportal"]
CMD ["web", "--host", "0.0.0.0"]
