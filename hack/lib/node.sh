# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# The node image: kindest/node, or one made of Debian packages and the binaries of hack/gomod.

NODE_TAG=quickbite.dev/node:1.34
# The one that the release notes of kind v0.33 name for 1.34: images belong to a release of kind.
KIND_NODE=docker.io/kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d

node_image() {
  if can_pull; then
    pulled "$NODE_TAG" "$KIND_NODE"
    return
  fi
  local key
  key=$(node_key)
  image_made "$NODE_TAG" "$key" node_from_packages "$key"
}

node_key() {
  {
    cd "$ROOT/hack/images" && hash_of node kubernetes
    for name in kubernetes etcd coredns local-path-provisioner; do
      go_made "$name"
      basename "$MADE"
    done
    image_id "$DEBIAN_TAG:trixie"
  } 9>&- | hash_text
}

# node_binaries FOLDER: hard links to all that goes into the node and its images
node_binaries() {
  local name
  for name in kubernetes etcd coredns local-path-provisioner; do
    go_made "$name"
    cp -l "$MADE"/* "$1/"
  done
}

node_from_packages() {
  local key=$1 temp
  temp=$(mktemp -d "$CACHE/.node.XXXXXX")
  mkdir -p "$temp/all" "$temp/node/bin"
  node_binaries "$temp/all"
  preloaded_images "$temp/all" "$temp/images.tar"
  cp -r "$ROOT/hack/images/node/." "$temp/node/"
  cp -l "$temp/all"/{kubeadm,kubelet,kubectl} "$temp/node/bin/"
  echo "$KUBERNETES_VERSION" >"$temp/node/rootfs/kind/version"
  build_image --build-arg "DEBIAN_IMAGE=$DEBIAN_TAG:trixie" -t "$NODE_TAG-bare" "$temp/node"
  preload "$NODE_TAG-bare" "$temp/images.tar" "$key"
  rm -rf "$temp"
}

# preloaded_images BINARIES ARCHIVE: what `kubeadm config images list` prints, and the two of our own manifests
preloaded_images() {
  local image target tags=()
  while read -r image; do
    target=${image##*/}
    target=${target%%:*}
    build_image -f "$ROOT/hack/images/kubernetes/Dockerfile" --target "$target" \
      --build-arg "DEBIAN_IMAGE=$DEBIAN_TAG:trixie" -t "$image" "$1"
    tags+=("$image")
  done < <(
    "$1/kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION"
    printf '%s\n' quickbite.dev/node/podnet:local quickbite.dev/node/local-path-provisioner:local
  )
  engine save -o "$2" "${tags[@]}"
  engine rmi "${tags[@]}" >/dev/null
}

# preload IMAGE ARCHIVE KEY: the archive's images into containerd's store in the image, as NODE_TAG. Not unpacked: each
# node unpacks what it runs, and the image stays small.
preload() {
  local container
  container=$(engine run -d --privileged --entrypoint /usr/bin/containerd "$1")
  # shellcheck disable=SC2064 # the container of now
  trap "engine rm -f -v $container >/dev/null" EXIT
  until engine exec "$container" ctr version >/dev/null 2>&1; do sleep 0.2; done
  engine exec -i "$container" ctr -n k8s.io images import --all-platforms --no-unpack --digests - <"$2"
  engine stop "$container" >/dev/null
  engine commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' \
    --change "LABEL dev.quickbite.inputs=$3" "$container" "$NODE_TAG"
}
