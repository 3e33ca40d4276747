# The manager in a container. From the repository's root:
#
#   python -m build --wheel                   # or: pip wheel --no-deps -w dist .
#   docker build -f packaging/docker/manager.Dockerfile -t zedops-manager .
#   install -d -o 967 /srv/fleets             # the image's user
#   docker run --rm -v /srv/fleets:/fleets --entrypoint zedops zedops-manager init my-fleet
#   docker run -d --name zedops -v /srv/fleets:/fleets -p 4222:4222 --restart unless-stopped \
#     --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     --stop-timeout 30 zedops-manager /fleets/my-fleet.git --advertise tls://fleet.example:4222
#
# It writes to /fleets and /tmp alone. pip checks all packages by hash; to pin the base image as well,
# build with --build-arg BASE=python@sha256:…
#
# Commands that commit, such as `zedops host add`, need a name once: docker exec -w /fleets/my-fleet
# zedops git config user.name NAME, and user.email. People push to /srv/fleets/my-fleet.git by ssh. The
# hooks then run on the host, which needs zedops in the same place (/opt/zedops). Or push from inside:
# docker exec -w /fleets/my-fleet zedops git push
ARG BASE=python:3.13-slim-bookworm
FROM ${BASE}
ARG PIP_NO_INDEX
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 967 --home-dir /fleets zedops
COPY requirements/image.txt /image.txt
COPY dist/ /dist/
RUN python3 -m venv /opt/zedops \
 && /opt/zedops/bin/pip install --no-cache-dir --require-hashes --no-deps --find-links /dist -r /image.txt \
 && /opt/zedops/bin/pip install --no-cache-dir --no-deps --no-index --find-links /dist zedops \
 && ln -s /opt/zedops/bin/zedops /usr/local/bin/zedops \
 && rm -rf /dist /image.txt
USER 967
WORKDIR /fleets
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ZEDOPS_NOTIFY_ALLOW="" \
    ZEDOPS_METRICS=127.0.0.1:9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s CMD ["/opt/zedops/bin/python", "-c", \
  "import os, urllib.request as r; host, _, port = os.environ['ZEDOPS_METRICS'].rpartition(':'); r.urlopen('http://' + (host or '127.0.0.1') + ':' + port + '/healthz', timeout=4)"]
ENTRYPOINT ["zedops", "manager"]
