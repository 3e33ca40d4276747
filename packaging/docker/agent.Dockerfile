# The agent in a container, on a host whose only program is a Docker Engine. From the root:
#
#   python -m build --wheel                   # or: pip wheel --no-deps -w dist .
#   docker build -f packaging/docker/agent.Dockerfile -t zedops-agent .
#   docker run --rm --network host -v /var/lib/zedops:/var/lib/zedops \
#     zedops-agent join --no-run TOKEN       # once: a token works once
#   docker run -d --name zedops-agent --restart unless-stopped --stop-timeout 180 \
#     --network host --pid host --read-only --tmpfs /tmp --security-opt no-new-privileges \
#     --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add FSETID \
#     --cap-add NET_BIND_SERVICE --cap-add SYS_PTRACE \
#     -v /var/run/docker.sock:/var/run/docker.sock \
#     -v /var/lib/zedops:/var/lib/zedops -v /etc/zedops:/etc/zedops:ro \
#     zedops-agent
#
# The data root, and every directory of `bind_roots`, must have the same path inside and outside: the
# Engine mounts paths that the agent names. `secrets_as: files` needs -v /dev/shm:/dev/shm as well.
# With --network and --pid host the agent sees which process holds a port. It runs as root: the Engine's
# socket is root on the host anyway, and the agent makes directories for other containers' users. The
# host's policy limits it. pip checks all packages by hash; to pin the base image as well, build with
# --build-arg BASE=python@sha256:…
ARG BASE=python:3.13-slim-bookworm
FROM ${BASE}
ARG PIP_NO_INDEX
COPY requirements/image.txt /image.txt
COPY dist/ /dist/
RUN python3 -m venv /opt/zedops \
 && /opt/zedops/bin/pip install --no-cache-dir --require-hashes --no-deps --find-links /dist -r /image.txt \
 && /opt/zedops/bin/pip install --no-cache-dir --no-deps --no-index --find-links /dist zedops \
 && ln -s /opt/zedops/bin/zedops /usr/local/bin/zedops \
 && rm -rf /dist /image.txt
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ZEDOPS_METRICS=127.0.0.1:9091
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s CMD ["/opt/zedops/bin/python", "-c", \
  "import os, urllib.request as r; host, _, port = os.environ['ZEDOPS_METRICS'].rpartition(':'); r.urlopen('http://' + (host or '127.0.0.1') + ':' + port + '/healthz', timeout=4)"]
ENTRYPOINT ["zedops", "agent"]
CMD ["run"]
