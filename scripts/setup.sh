# shellcheck shell=bash
# Prepares the other scripts' needs: Python, a static busybox, a Docker Engine.
#
# Sourced, never run. The functions use an installed program as it is. They install a missing one
# only as root on Debian or Ubuntu; elsewhere one line says what to do. A function that fails prints
# the reason and returns 1, so that the caller decides whether to go on.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
engine_pid=  # of the dockerd that this script started, and of no other
engine_log=
apt_is_fresh=

ENGINE_DEADLINE_S=60
ENGINE_STOP_S=30

# Daemons live in sbin, which may not be on PATH.
export PATH="$PATH:/usr/sbin:/sbin"
export PIP_DISABLE_PIP_VERSION_CHECK=1
# A git hook that calls a script here hands down its own repository; no git below may work on that.
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars 2>/dev/null || true)

say() { printf '· %s\n' "$*"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# --- packages

is_root() { [ "$(id -u)" = 0 ]; }
can_install() { is_root && command -v apt-get >/dev/null; }

apt() { DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=60 "$@" </dev/null; }

# Installs packages; shows apt's output only after a failure.
install_packages() {
  local log
  log=$(mktemp)
  say "installing $*"
  if [ -z "$apt_is_fresh" ]; then
    # an index that cannot be refreshed may still be good enough: let the installation decide
    apt update >"$log" 2>&1 || true
    apt_is_fresh=yes
  fi
  if ! apt install --no-install-recommends "$@" >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    complain "cannot install $*; apt-get said why above"
    return 1
  fi
  rm -f "$log"
}

# need COMMAND PACKAGE
need() {
  if command -v "$1" >/dev/null; then return; fi
  if ! can_install; then
    complain "$1 is missing; install it (on Debian: apt-get install $2)"
    return 1
  fi
  install_packages "$2"
}

# --- Python

# prepare_python LOCK: the checkout installed into .venv, in place; its commands on PATH.
# LOCK is run or dev: installs exactly requirements/LOCK.txt.
prepare_python() {
  local lock=$1 stamp=$root/.venv/.installed hash
  need git git || return 1
  make_venv || return 1
  PATH=$root/.venv/bin:$PATH
  hash=$(cat "$root/pyproject.toml" "$root"/requirements/*.txt | cksum) || return 1
  # an installation with the developers' tools also serves a run without them
  case $(cat "$stamp" 2>/dev/null) in
    "$lock $hash" | "dev $hash") return ;;
  esac
  rm -f "$stamp"
  say "installing zedops and requirements/$lock.txt into .venv"
  python -m pip --version >/dev/null 2>&1 || python -m ensurepip >/dev/null || return 1
  python -m pip install -qq --require-hashes --requirement "$root/requirements/$lock.txt" &&
    python -m pip install -qq --no-deps --no-build-isolation --editable "$root" || return 1
  printf '%s %s\n' "$lock" "$hash" >"$stamp"
}

make_venv() {
  local base log
  if venv_is_whole; then return; fi
  need python3 python3 || return 1
  if ! base=$(find_python); then
    complain "zedops needs Python 3.11 or newer; install one, or name it: PYTHON=/path/to/python3"
    return 1
  fi
  say "making .venv with $base"
  log=$(mktemp)
  # Debian's Python comes without venv, which shows only when it is tried
  if "$base" -m venv --clear "$root/.venv" >"$log" 2>&1 ||
    { can_install && install_packages python3-venv &&
      "$base" -m venv --clear "$root/.venv" >"$log" 2>&1; }; then
    rm -f "$log"
    return
  fi
  cat "$log" >&2
  rm -f "$log"
  complain "cannot make .venv; install Python's venv (on Debian: apt-get install python3-venv)"
  return 1
}

# A checkout that was moved leaves a .venv whose commands still point to the old place.
venv_is_whole() {
  local home
  "$root/.venv/bin/python" -c '' 2>/dev/null || return 1
  # shellcheck disable=SC1091
  home=$(set +u && source "$root/.venv/bin/activate" 2>/dev/null && printf '%s' "$VIRTUAL_ENV")
  [ "$home" -ef "$root/.venv" ]
}

find_python() {
  local each
  for each in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
    if "$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$each"
      return
    fi
  done
  return 1
}

# --- busybox: images are built FROM scratch around it, so that no registry is needed

prepare_busybox() {
  if is_static /bin/busybox; then return; fi
  if ! can_install; then
    complain "no static /bin/busybox to build images from; install Debian's busybox-static"
    return 1
  fi
  install_packages busybox-static
}

is_static() {
  case $(LC_ALL=C ldd "$1" 2>&1 || true) in
    *'not a dynamic executable'* | *'statically linked'*) return 0 ;;
  esac
  return 1
}

# --- a registry: only its program; tests run it on loopback

prepare_registry() {
  if command -v docker-registry >/dev/null; then return; fi
  need docker-registry docker-registry || return 1
  # Debian starts the service of a new package; the tests need none
  if [ -d /run/systemd/system ]; then systemctl disable --quiet --now docker-registry || true; fi
}

# --- sshd: only its program

prepare_sshd() {
  if command -v sshd >/dev/null; then return; fi
  need sshd openssh-server || return 1
  if [ -d /run/systemd/system ]; then systemctl disable --quiet --now ssh || true; fi
}

# --- gpg and its agent: some tests sign commits

prepare_gpg() {
  need gpg gnupg && need gpg-agent gpg-agent
}

# --- restic, which makes the backups of worlds

prepare_restic() { need restic restic; }

# --- a C compiler: some tests make a clock of their own

prepare_compiler() {
  # gcc alone brings no headers
  if ! command -v cc >/dev/null && can_install; then install_packages gcc libc6-dev; fi
  need cc gcc
}

# --- shells, in which completion is tried

prepare_shells() {
  need zsh zsh && need fish fish
}

# --- a browser, in which the web page is tried

prepare_chromium() { need chromium chromium; }

# --- promtool: only this program of Prometheus, no server

prepare_promtool() {
  local systemd=
  if command -v promtool >/dev/null; then return; fi
  if [ -d /run/systemd/system ] && is_root; then
    systemd=yes
    # Debian starts the service of a new package, unless it is masked
    systemctl mask --runtime --quiet prometheus || true
  fi
  # without systemd: no service starts in the runlevel for a single user (invoke-rc.d(8))
  RUNLEVEL=1 need promtool prometheus || return 1
  if [ -n "$systemd" ]; then
    systemctl disable --quiet prometheus || true
    systemctl unmask --runtime --quiet prometheus || true
  fi
}

# --- Docker Engine

# prepare_engine: uses an Engine that answers; else installs and starts one. Needs Python's .venv.
prepare_engine() {
  local answer
  if answer=$(ask_engine 2>&1); then
    say "Docker Engine $answer answers"
    return
  fi
  if [ -n "${DOCKER_HOST:-}" ]; then
    complain "no Docker Engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST"
    return 1
  fi
  if [[ $answer = *PermissionError* ]]; then
    complain "this user may not use the Docker Engine; join the group docker, or run this as root"
    return 1
  fi
  if ! is_root || ! { command -v dockerd || command -v apt-get; } >/dev/null; then
    complain "no Docker Engine answers; start one, or run this as root on Debian or Ubuntu"
    return 1
  fi
  if ! command -v dockerd >/dev/null; then
    install_packages docker.io iptables || return 1
  fi
  # the package's own service, or another process, may be starting one right now
  if ! is_alive /var/run/docker.pid dockerd; then
    remove_leftovers
    start_engine
  fi
  wait_for_engine
}

# Asks as zedops does, through docker-py: an Engine may answer other clients and not this one.
ask_engine() {
  python -c 'import docker; print(docker.from_env(timeout=5).version()["Version"])'
}

# is_alive PIDFILE PROGRAM: false for a zombie, and for another program with a reused PID.
is_alive() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [ -e "/proc/$pid/exe" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]
}

# A killed Engine leaves files behind that keep the next one from starting.
remove_leftovers() {
  local file
  for file in /var/run/docker.pid:dockerd /var/run/docker/containerd/containerd.pid:containerd; do
    if [ -e "${file%:*}" ] && ! is_alive "${file%:*}" "${file#*:}"; then
      say "removing ${file%:*}, left by an Engine that was killed"
      rm -f "${file%:*}"
    fi
  done
  # dockerd prefers the system's containerd as soon as its socket exists, and waits in vain
  file=/run/containerd/containerd.sock
  if [ -S "$file" ] && ! listens "$file"; then
    say "removing $file, on which no process listens"
    rm -f "$file"
  fi
}

listens() {
  python -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$1" 2>/dev/null
}

start_engine() {
  engine_log=$(mktemp "${TMPDIR:-/tmp}/dockerd.XXXXXX")
  say "starting dockerd"
  # a session of its own: Ctrl-C is for the script, which then stops the Engine last
  setsid dockerd </dev/null >"$engine_log" 2>&1 &
  engine_pid=$!
}

wait_for_engine() {
  local answer deadline=$((SECONDS + ENGINE_DEADLINE_S))
  while ! answer=$(ask_engine 2>/dev/null); do
    if [ -n "$engine_pid" ] && ! kill -0 "$engine_pid" 2>/dev/null; then
      engine_failed "dockerd ended by itself"
      return 1
    fi
    if ((SECONDS >= deadline)); then
      engine_failed "dockerd does not answer after $ENGINE_DEADLINE_S s"
      return 1
    fi
    sleep 0.2
  done
  say "Docker Engine $answer answers${engine_pid:+ (process $engine_pid)}"
}

engine_failed() {
  if [ -n "$engine_log" ]; then tail -n 20 "$engine_log" >&2; fi
  complain "$1; start Docker by hand, then run this again"
  stop_engine
}

# Stops the Engine that this script started, if any. Its containerd goes down with it.
stop_engine() {
  local deadline=$((SECONDS + ENGINE_STOP_S))
  if [ -z "$engine_pid" ]; then return; fi
  if kill -TERM "$engine_pid" 2>/dev/null; then
    say "stopping dockerd (process $engine_pid), which was started here"
  fi
  while kill -0 "$engine_pid" 2>/dev/null; do
    # the kernel ends containerd with a killed dockerd
    if ((SECONDS >= deadline)); then kill -KILL "$engine_pid" 2>/dev/null || true; fi
    sleep 0.1
  done
  rm -f "$engine_log"
  engine_pid=
}
