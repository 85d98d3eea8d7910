# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# The images that the platform runs: stores and addons (pulled or made), and our own from the root Dockerfile.

set -e

STORES=(postgres:17 redis:8 rabbitmq:4 mongodb:6)
ADDONS=(traefik metrics-server)
SERVICES=(gateway user restaurant order driver notification payment)
COMPONENTS=(operator "${SERVICES[@]}")

store_tag() { echo "quickbite.dev/store/$1"; }
addon_tag() { echo "quickbite.dev/addon/$1:local"; }
app_tag() { echo "quickbite.dev/$1:$(version)"; }

version() { sed -n '/^\[workspace.package\]/,/^\[/ s/^version *= *"\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

store_image() {
  local name=${1%%:*} tag key
  tag=$(store_tag "$1")
  if can_pull; then
    local source="docker.io/library/$1"
    [ "$name" = mongodb ] && source=docker.io/library/mongo:6
    pulled "$tag" "$source"
    return
  fi
  key=$({ cd "$ROOT/hack/images/$name" && hash_of . && image_id "$DEBIAN_TAG:trixie"; } | hash_text)
  image_made "$tag" "$key" build_image --label "dev.quickbite.inputs=$key" \
    --build-arg "DEBIAN_IMAGE=$DEBIAN_TAG:trixie" -t "$tag" "$ROOT/hack/images/$name"
}

addon_image() {
  local name=$1 tag key
  tag=$(addon_tag "$name")
  if can_pull; then
    case "$name" in
      traefik) pulled "$tag" docker.io/library/traefik:v3.6 ;;
      metrics-server) pulled "$tag" registry.k8s.io/metrics-server/metrics-server:v0.8.0 ;;
    esac
    return
  fi
  go_made "$name"
  key=$({ cd "$ROOT/hack/images/addon" && hash_of . && basename "$MADE"; } | hash_text)
  image_made "$tag" "$key" build_image -f "$ROOT/hack/images/addon/Dockerfile" --target "$name" \
    --label "dev.quickbite.inputs=$key" -t "$tag" "$MADE"
}

# app_images: all of ours; the first build compiles, the others only copy
app_images() {
  local key name revision options=()
  # All are built from one copy of the sources: an edit meanwhile must not get into some of them, nor compile twice.
  rm -rf "$CACHE"/.sources.*
  SOURCES=$(mktemp -d "$CACHE/.sources.XXXXXX")
  trap 'rm -rf "$SOURCES"' EXIT
  # shellcheck disable=SC2046 # one path a word
  tar -C "$ROOT" --exclude=target -c Dockerfile .dockerignore $(app_inputs) | tar -C "$SOURCES" -x
  key=$(app_key)
  if apps_are "$key"; then
    note cached
    return
  fi
  # Of the last change to what goes in, so that another commit does not make another image.
  # shellcheck disable=SC2046
  revision=$(git -C "$ROOT" log -1 --format=%H -- Dockerfile $(app_inputs) 2>/dev/null || echo unknown)
  # How this machine's cargo reaches the registry, where it is configured.
  if [ -f "${CARGO_HOME:-$HOME/.cargo}/config.toml" ]; then
    options+=(--secret "id=cargo-config,src=${CARGO_HOME:-$HOME/.cargo}/config.toml")
  fi
  options+=(--build-arg "RUST_IMAGE=$RUST_TAG" --build-arg "RUNTIME_IMAGE=$RUNTIME_TAG")
  for name in "${COMPONENTS[@]}"; do
    build_image "${options[@]}" --label "dev.quickbite.inputs=$key" -t "$(app_tag "$name")" \
      --build-arg "BIN=quickbite-$name" --build-arg "VERSION=$(version)" --build-arg "REVISION=$revision" "$SOURCES"
  done
  build_image "${options[@]}" --target tools --output "type=local,dest=$CACHE/demo" "$SOURCES"
  # What these replaced would fill the disk in time.
  engine image prune -f --filter label=dev.quickbite.inputs
  note "${#COMPONENTS[@]} built"
}

# The paths that .dockerignore lets into the build.
app_inputs() {
  local path
  while read -r path; do
    if [ -e "$ROOT/$path" ]; then echo "$path"; fi
  done < <(sed -n 's/^!//p' "$ROOT/.dockerignore")
}

app_key() {
  {
    cd "$SOURCES" && hash_of .
    image_id "$RUST_TAG"
    image_id "$RUNTIME_TAG"
  } | hash_text
}

apps_are() {
  local name
  for name in "${COMPONENTS[@]}"; do
    [ "$(image_label "$(app_tag "$name")")" = "$1" ] || return 1
  done
}

# remove_images: all that this made or pulled in an engine that is not ours to throw away
remove_images() {
  # shellcheck disable=SC2046 # one id a word
  engine image rm -f $(engine image ls -q --filter label=dev.quickbite.inputs | sort -u) || true
}
