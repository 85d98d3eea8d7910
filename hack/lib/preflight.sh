# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# What must be true before anything starts; each answer is one sentence that says what to do.

preflight() {
  local command # beyond what every system has
  for command in curl flock jq; do
    command -v "$command" >/dev/null || preflight_tool "$command"
  done
  preflight_engine
  preflight_ports
  preflight_disk
  preflight_go
  preflight_rust
  preflight_kubectl
}

preflight_tool() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    case "$1" in
      flock) apt_install util-linux ;;
      *) apt_install "$1" ;;
    esac >&2
    return
  fi
  die "$1 is missing: install it and run make up again."
}

preflight_engine() {
  [ "$(engine_kind)" = none ] || return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && grep -qE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release && return
  die "No container engine answers and this is not root on Debian or Ubuntu, so none can be installed: start Docker or Podman, or install one, and run make up again."
}

preflight_ports() {
  local port
  # shellcheck disable=SC2013 # numbers
  for port in $(sed -n 's/^ *hostPort: *//p' "$ROOT/hack/manifests/kind.yaml"); do
    port_busy "$port" || continue
    own_port "$port" && continue
    die "Port $port on 127.0.0.1 is taken by another program and the local cluster needs it: stop that program and run make up again."
  done
}

port_busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Whether it is our worker that publishes the port.
own_port() {
  engine_use && answers "$ENGINE" version &&
    engine container inspect --format '{{json .HostConfig.PortBindings}}' "$CLUSTER-worker" 2>/dev/null | grep -q "\"$1\""
}

preflight_disk() {
  local need=15 free
  # The largest parts are there already.
  if [ -e "$CACHE/warm" ]; then need=5; fi
  mkdir -p "$CACHE"
  free=$(($(df -Pk "$CACHE" | awk 'END { print $4 }') / 1048576))
  [ "$free" -ge "$need" ] ||
    die "Only $free GB are free where $CACHE lies and make up needs $need: free some, or set QUICKBITE_CACHE to a folder with more room."
}

# Go is needed where kind is not installed, and where images must be made of programs.
preflight_go() {
  have_kind && [ -e "$CACHE/warm" ] && return
  if command -v go >/dev/null; then
    local minor
    minor=$(go env GOVERSION | sed -E 's/^go1\.([0-9]+).*/\1/')
    # Some modules want a newer one still, which Go fetches by itself unless told not to.
    if [ "$minor" -ge 26 ] || { [ "$minor" -ge 24 ] && [ "$(go env GOTOOLCHAIN)" != local ]; }; then return; fi
    die "Go $(go env GOVERSION) is too old to build the cluster's programs: install Go 1.26 or newer."
  fi
  if have_kind && pull_likely; then return; fi
  die "Go is not installed, and kind and the cluster's programs are built with it: install Go 1.26 or newer and run make up again."
}

# An engine that was there before us most likely can pull; the probe proper comes later.
pull_likely() {
  [ "${QUICKBITE_PULL:-}" = yes ] && return
  [ "${QUICKBITE_PULL:-}" != no ] && [ "$(cat "$CACHE/can-pull" 2>/dev/null || echo yes)" = yes ] && [ "$(engine_kind)" != none ] && [ "$(engine_kind)" != own ]
}

preflight_rust() {
  [ -e "$CACHE/warm" ] && return
  pull_likely && return
  command -v rustc >/dev/null && return
  die "No image registry is at hand and no Rust toolchain is installed to seed the build image with: install Rust 1.95 (rustup) and run make up again."
}

# Elsewhere than on Linux the node's kubectl does not run.
preflight_kubectl() {
  [ "$(uname -s)" = Linux ] || have_kubectl || die "kubectl 1.33 or newer is missing: install it and run make up again."
}
