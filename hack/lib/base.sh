# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# The images that others are built on: pulled, or made of Debian packages and this machine's Rust toolchain. Either way
# they end under the same tags.

DEBIAN_TAG=quickbite.dev/base/debian # :trixie, :bookworm
RUST_TAG=quickbite.dev/base/rust:1.95
RUNTIME_TAG=quickbite.dev/base/runtime:debian12

# can_pull: whether an image registry answers. Asked once and remembered for a day, as the question may take until its
# time-out; QUICKBITE_PULL=yes or no decides without asking.
can_pull() {
  local answer="${QUICKBITE_PULL:-}" memory="$CACHE/can-pull"
  if [ -z "$answer" ]; then
    (
      exec 7>>"$memory.lock"
      flock 7
      [ -n "$(find "$memory" -mmin -1440 2>/dev/null)" ] && exit
      if timeout 20 "$ENGINE" pull -q docker.io/library/hello-world:latest >/dev/null 2>&1; then
        echo yes >"$memory"
      else
        echo no >"$memory"
      fi
    )
    answer=$(cat "$memory")
  fi
  [ "$answer" = yes ]
}

image_label() { engine image inspect --format '{{index .Config.Labels "dev.quickbite.inputs"}}' "$1" 2>/dev/null; }
image_id() { engine image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# image_made TAG KEY COMMAND...: runs COMMAND, which must label the image with KEY, unless TAG has that label already.
image_made() {
  local tag=$1 key=$2
  shift 2
  if [ "$(image_label "$tag")" = "$key" ]; then
    note cached
    return
  fi
  "$@"
  note "${IMAGE_VERB:-built}"
}

# pulled TAG SOURCE: SOURCE under the name TAG
pulled() {
  local key IMAGE_VERB=pulled
  key=$(echo "pulled $2" | hash_text)
  image_made "$1" "$key" pull_as "$1" "$2" "$key"
}

pull_as() {
  engine pull "$2"
  # Through a build, not `tag`, for the label that says where it came from.
  printf 'FROM %s\n' "$2" | engine build -q --label "dev.quickbite.inputs=$3" -t "$1" -f - "$ROOT/hack/manifests"
}

build_image() {
  local options=(--network host)
  [ "$ENGINE" = podman ] || options+=(--progress plain)
  engine build "${options[@]}" "$@"
}

base_debian() {
  local suite=$1 tag="$DEBIAN_TAG:$1"
  if can_pull; then
    pulled "$tag" "docker.io/library/debian:$suite-slim"
    return
  fi
  image_made "$tag" "$(echo "mmdebstrap $suite 2" | hash_text)" debian_from_packages "$suite" "$tag"
}

debian_from_packages() {
  local suite=$1 tag=$2 temp
  command -v mmdebstrap >/dev/null || apt_install mmdebstrap debian-archive-keyring
  temp=$(mktemp -d "$CACHE/.debian.XXXXXX")
  # This machine's certificate bundle goes in, so that builds reach package registries the way this machine does,
  # through a company's proxy for instance; in both places, as installing ca-certificates writes the first anew.
  cp /etc/ssl/certs/ca-certificates.crt "$temp/host.crt"
  # shellcheck disable=SC2016 # the hooks run in shells of their own
  mmdebstrap --variant=apt --mode=root --include=passwd \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='mkdir -p "$1/etc/ssl/certs" "$1/usr/local/share/ca-certificates"' \
    --customize-hook="copy-in $temp/host.crt /usr/local/share/ca-certificates" \
    --customize-hook='cp "$1/usr/local/share/ca-certificates/host.crt" "$1/etc/ssl/certs/ca-certificates.crt"' \
    "$suite" "$temp/rootfs.tar"
  engine import --change "LABEL dev.quickbite.inputs=$(echo "mmdebstrap $suite 2" | hash_text)" \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'CMD ["bash"]' \
    "$temp/rootfs.tar" "$tag"
  rm -rf "$temp"
}

# rust_image, runtime_image: what the root Dockerfile builds on and runs on
rust_image() {
  if can_pull; then
    pulled "$RUST_TAG" docker.io/library/rust:1.95-bookworm
    return
  fi
  local key
  key=$({ hash_of "$ROOT/hack/images/rust" && rustc -vV && image_id "$DEBIAN_TAG:bookworm"; } | hash_text)
  image_made "$RUST_TAG" "$key" rust_from_toolchain "$key"
}

rust_from_toolchain() {
  local sysroot
  sysroot=$(rustc --print sysroot)
  # As a stream: the toolchain is not copied to disk once more. Its documentation stays behind.
  tar -C "$ROOT/hack/images/rust" -c Dockerfile -C "$sysroot" \
    --exclude='lib/rustlib/src' --exclude='lib/rustlib/*/bin/rust-lld-wrapper*' \
    --transform 's,^\(bin\|lib\|libexec\)\b,toolchain/\1,' bin lib libexec |
    build_image --build-arg "DEBIAN_IMAGE=$DEBIAN_TAG:bookworm" --label "dev.quickbite.inputs=$1" -t "$RUST_TAG" -
}

runtime_image() {
  if can_pull; then
    pulled "$RUNTIME_TAG" gcr.io/distroless/cc-debian12:nonroot
    return
  fi
  local key
  key=$({ hash_of "$ROOT/hack/images/runtime" && image_id "$DEBIAN_TAG:bookworm"; } | hash_text)
  image_made "$RUNTIME_TAG" "$key" build_image --build-arg "DEBIAN_IMAGE=$DEBIAN_TAG:bookworm" \
    --label "dev.quickbite.inputs=$key" -t "$RUNTIME_TAG" "$ROOT/hack/images/runtime"
}
