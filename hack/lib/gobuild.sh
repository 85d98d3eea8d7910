# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# Programs built from Go modules, for machines that cannot pull images: hack/gomod/NAME pins each set.

set -e

KUBERNETES_VERSION=v1.34.4

# go_made NAME: the set's binaries, in $MADE
go_made() {
  local name=$1 flags="-s -w" v=k8s.io/component-base/version
  if [ "$name" = kubernetes ]; then
    # Without it the binaries say v0.0.0, and kubeadm refuses its own control plane.
    flags+=" -X $v.gitVersion=$KUBERNETES_VERSION -X $v.gitMajor=1 -X $v.gitMinor=34"
  fi
  made go "$name" "$(go_key "$name" "$flags")" go_build "$name" "$flags"
}

go_key() {
  local name=$1 flags=$2
  (cd "$ROOT/hack/gomod/$name" && { hash_of . && go version && echo "$flags"; } | hash_text)
}

go_build() {
  local name=$1 flags=$2 out=$3 own=()
  cd "$ROOT/hack/gomod/$name"
  if [ "$name" = kubernetes ]; then own=(./podnet ./pause); fi
  # Low priority: it is the longest part, and what runs beside it is waited for by a person.
  CGO_ENABLED=0 nice -n 5 go build -mod=readonly -trimpath -ldflags "$flags" -o "$out/" tool ${own[@]+"${own[@]}"}
  # Go names a program after the last element of its path.
  if [ "$name" = etcd ]; then mv "$out/server" "$out/etcd"; fi
}
