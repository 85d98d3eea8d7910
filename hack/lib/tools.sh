# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# kind and kubectl of fitting versions: the machine's own where they fit, else built into the cache's bin folder.

# have_kind: one that knows the node images of Kubernetes 1.34
have_kind() {
  [ -x "$CACHE/bin/kind" ] && return
  command -v kind >/dev/null && newer "$(kind version -q 2>/dev/null)" 0.30
}

# kubectl may be one minor version off its server.
have_kubectl() {
  [ -x "$CACHE/bin/kubectl" ] && return
  command -v kubectl >/dev/null && newer "$(kubectl version --client -o json 2>/dev/null | jq -r .clientVersion.gitVersion)" v1.33
}

newer() { [ -n "$1" ] && [ "$(printf '%s\n' "${2#v}" "${1#v}" | sort -V | head -1)" = "${2#v}" ]; }

tool_kind() {
  if have_kind && [ ! -L "$CACHE/bin/kind" ]; then
    note "the installed one"
    return
  fi
  go_made kind
  ln -sfn "$MADE/kind" "$CACHE/bin/kind"
}

tool_kubectl() {
  if have_kubectl && [ ! -L "$CACHE/bin/kubectl" ]; then
    note "the installed one"
    return
  fi
  go_made kubernetes
  ln -sfn "$MADE/kubectl" "$CACHE/bin/kubectl"
}

# programs NAME: a set that only a machine without a registry needs
programs() {
  if can_pull; then
    note "not needed"
    return
  fi
  go_made "$1"
}
