# The agent in a container, on a host whose only program is a Docker Engine. From the root:
#
#   python -m build --wheel                   # or: pip wheel --no-deps -w dist .
#   docker build -f packaging/docker/agent.Dockerfile -t zedops-agent .
#   docker run --rm --network host -v /var/lib/zedops:/var/lib/zedops \
#     zedops-agent join --no-run TOKEN       # once: a token works once
#   docker run -d --name zedops-agent --restart unless-stopped --stop-timeout 180 \
#     --network host --pid host \
#     -v /var/run/docker.sock:/var/run/docker.sock \
#     -v /var/lib/zedops:/var/lib/zedops -v /etc/zedops:/etc/zedops:ro \
#     zedops-agent
#
# The data root has the same path inside and outside: the Engine mounts what the agent names. So has
# every directory of `bind_roots`; `secrets_as: files` needs -v /dev/shm:/dev/shm as well.
# --network and --pid host let it see who holds a port.
ARG BASE=python:3.13-slim-bookworm
FROM ${BASE}
ARG PIP_NO_INDEX
COPY dist/ /dist/
# hadolint ignore=DL3013
RUN python3 -m venv /opt/zedops \
 && /opt/zedops/bin/pip install --no-cache-dir --find-links /dist "zedops[nats]" \
 && ln -s /opt/zedops/bin/zedops /usr/local/bin/zedops \
 && rm -rf /dist
ENV PYTHONUNBUFFERED=1 ZEDOPS_METRICS=127.0.0.1:9091
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s CMD ["/opt/zedops/bin/python", "-c", \
  "import os, urllib.request as r; host, _, port = os.environ['ZEDOPS_METRICS'].rpartition(':'); r.urlopen('http://' + (host or '127.0.0.1') + ':' + port + '/healthz', timeout=4)"]
ENTRYPOINT ["zedops", "agent"]
CMD ["run"]
