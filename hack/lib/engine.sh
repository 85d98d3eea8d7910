# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# The container engine: the one that answers, or else Debian's Docker, started here with everything of it in the cache.
#
# Our own dockerd has its own socket, data and address ranges, so that it gets in nobody's way, and its pid is kept, so
# that `down` ends that process and no other.

ENGINE_DIR="$CACHE/engine"
ENGINE_SOCKET="unix://$ENGINE_DIR/docker.sock"
ENGINE="" # docker or podman, the command

engine() { "$ENGINE" "$@"; }

answers() { timeout 10 "$@" >/dev/null 2>&1; }

use_docker() {
  ENGINE=docker
  export DOCKER_BUILDKIT=1
}
use_podman() {
  ENGINE=podman
  export KIND_EXPERIMENTAL_PROVIDER=podman
}
use_own() {
  ENGINE=docker
  export DOCKER_HOST="$ENGINE_SOCKET" DOCKER_BUILDKIT=1
  # kind calls `docker` by name; a newer client in front of the package's would not talk to this engine.
  mkdir -p "$CACHE/bin"
  ln -sfn /usr/bin/docker "$CACHE/bin/docker"
}

# Which engine is there: own (ours, running or to be started again), docker, podman or nothing.
engine_kind() {
  if [ -d "$ENGINE_DIR/data" ]; then
    echo own
  elif answers docker version --format '{{.Server.Version}}'; then
    echo docker
  elif answers podman info; then
    echo podman
  else
    echo none
  fi
}

# engine_use: points this shell at the engine; without one, fails.
engine_use() {
  case "$(engine_kind)" in
    own) use_own ;;
    docker) use_docker ;;
    podman) use_podman ;;
    none) return 1 ;;
  esac
}

# engine_ensure: installs and starts what is missing.
engine_ensure() {
  [ "$(engine_kind)" != none ] || engine_install
  case "$(engine_kind)" in
    docker | podman) # perhaps by that very installation, where systemd starts services
      note "the one that answers"
      return
      ;;
  esac
  use_own
  if answers docker version; then
    note running
    return
  fi
  engine_install
  engine_clear_stale
  engine_start
  note "dockerd $(docker version --format '{{.Server.Version}}')"
}

engine_install() {
  local package missing=()
  for package in docker.io iptables ca-certificates; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

# A dockerd that was killed leaves its pid file, its containerd and the containers' shims behind. Only processes whose
# command line names our folder are ours: a pid may have been given to another process since.
engine_clear_stale() {
  local file pid
  for file in "$ENGINE_DIR/docker.pid" "$ENGINE_DIR/exec/containerd/containerd.pid"; do
    pid=$(cat "$file" 2>/dev/null) || continue
    ours "$pid" && end_process "$pid"
    rm -f "$file"
  done
  rm -f "$ENGINE_DIR/docker.sock"
}

ours() { tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF "$ENGINE_DIR"; }

# end_process PID: asks, waits up to 30 s, then insists.
end_process() {
  local waited=0
  kill "$1" 2>/dev/null || return 0
  while kill -0 "$1" 2>/dev/null; do
    waited=$((waited + 1))
    [ "$waited" = 300 ] && kill -9 "$1" 2>/dev/null
    sleep 0.1
  done
}

engine_start() {
  local pid options=(
    --data-root "$ENGINE_DIR/data" --exec-root "$ENGINE_DIR/exec" --pidfile "$ENGINE_DIR/docker.pid"
    -H "$ENGINE_SOCKET"
    # Out of the way of 172.17.0.0/16, which another engine on this machine would use.
    --bip 10.213.0.1/24 --default-address-pool "base=10.214.0.0/16,size=24"
  )
  mkdir -p "$ENGINE_DIR/data"
  # --privileged fails where this very machine lacks a capability: see the wrapper.
  if ! grep CapBnd /proc/self/status | has_capability 24; then
    # A copy, as the engine may outlive this checkout.
    install -m 755 "$ROOT/hack/lib/runc-without-sysresource" "$ENGINE_DIR/"
    options+=(--add-runtime "nosysres=$ENGINE_DIR/runc-without-sysresource" --default-runtime nosysres)
  fi
  setsid dockerd "${options[@]}" >"$ENGINE_DIR/docker.log" 2>&1 </dev/null 9>&- &
  pid=$!
  until answers docker version; do
    kill -0 "$pid" 2>/dev/null || {
      tail -n 20 "$ENGINE_DIR/docker.log"
      echo "dockerd ended at once; its log: $ENGINE_DIR/docker.log"
      return 1
    }
    sleep 0.2
  done
}

# has_capability BIT < "CapBnd: <hex>"
has_capability() {
  local mask
  read -r _ mask
  (((0x$mask >> $1) & 1))
}

# engine_stop: ours only.
engine_stop() {
  local mounted
  if [ -e "$ENGINE_DIR/docker.pid" ]; then engine_clear_stale; fi
  # dockerd leaves its data folder mounted on itself, a killed one its containers' file systems too: last mounted first.
  awk -v under="$ENGINE_DIR/" 'index($2, under) == 1 { print $2 }' /proc/self/mounts | tac | while read -r mounted; do
    umount "$mounted"
  done
}

apt_install() {
  local options=(-y --no-install-recommends -o DPkg::Lock::Timeout=300)
  export DEBIAN_FRONTEND=noninteractive
  # Without an update first, which takes longer than most installations; only where that fails.
  apt-get install "${options[@]}" "$@" || { apt-get update && apt-get install "${options[@]}" "$@"; }
}
