# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# kind and kubectl of fitting versions: the machine's own where they fit, else built into the cache's bin folder.

# have_kind: of the release that the node image belongs to, or newer
have_kind() {
  [ -x "$CACHE/bin/kind" ] && return
  command -v kind >/dev/null && newer "$(kind version -q 2>/dev/null)" 0.33
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

# The node image has one that fits by definition.
tool_kubectl() {
  local id container
  if have_kubectl && [ ! -e "$CACHE/bin/kubectl" ]; then
    note "the installed one"
    return
  fi
  id=$(image_id "$NODE_TAG")
  if [ -x "$CACHE/bin/kubectl" ] && [ "$(cat "$CACHE/kubectl.from" 2>/dev/null)" = "$id" ]; then
    note cached
    return
  fi
  container=$(engine create "$NODE_TAG")
  engine cp "$container:/usr/bin/kubectl" "$CACHE/bin/.kubectl"
  engine rm "$container" >/dev/null
  mv "$CACHE/bin/.kubectl" "$CACHE/bin/kubectl"
  echo "$id" >"$CACHE/kubectl.from"
  note "from the node image"
}

# programs NAME: a set that only a machine without a registry needs
programs() {
  if can_pull; then
    note "not needed"
    return
  fi
  go_made "$1"
}
