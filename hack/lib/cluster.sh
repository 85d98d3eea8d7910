# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# The kind cluster: made, taken up again after its engine died, or found as it was; and what is loaded and installed
# into it. Everything here is the same whether images were pulled or made.

CLUSTER=quickbite
NODES=("$CLUSTER-control-plane" "$CLUSTER-worker")

on_cluster() { kubectl --context "kind-$CLUSTER" "$@"; }

cluster_up() {
  local wanted
  wanted=$(cluster_key)
  if cluster_exists; then
    if [ "$(cat "$CACHE/cluster.key" 2>/dev/null)" = "$wanted" ] && cluster_revive; then
      : >"$RUN_DIR/nodes-stay"
      return
    fi
    kind delete cluster --name "$CLUSTER"
  fi
  rm -f "$CACHE/cluster.key"
  : >"$RUN_DIR/nodes-stay"
  kind create cluster --name "$CLUSTER" --config "$ROOT/hack/manifests/kind.yaml" --image "$NODE_TAG" --wait 180s
  # --wait is for the control plane alone.
  on_cluster wait --for=condition=Ready node --all --timeout=120s
  echo "$wanted" >"$CACHE/cluster.key"
  note created
}

# worker_takes_images: waits until images may be loaded, which is long before the cluster is there. Not into a node that
# is about to be removed.
worker_takes_images() {
  until [ -e "$RUN_DIR/nodes-stay" ] && engine exec "$CLUSTER-worker" ctr version >/dev/null 2>&1; do sleep 0.2; done
}

# A cluster made of other inputs is made anew.
cluster_key() { { cat "$ROOT/hack/manifests/kind.yaml" && image_id "$NODE_TAG"; } | hash_text; }

cluster_exists() { kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; }

# cluster_revive: true when both nodes run and are Ready, after a start of what had stopped. What does not come back
# in two minutes is not worth more of them: a new cluster takes half a minute.
cluster_revive() {
  local node state started=""
  for node in "${NODES[@]}"; do
    state=$(engine container inspect --format '{{.State.Running}}' "$node" 2>/dev/null)
    if [ "$state" = false ]; then
      engine start "$node" || return 1
      started=1
    elif [ "$state" != true ]; then
      return 1
    fi
  done
  kind export kubeconfig --name "$CLUSTER" || return 1
  if cluster_answers && [ -z "$started" ]; then
    note running
    return
  fi
  # Also the engine may have started them just now, with itself.
  wait_until 120 cluster_answers || return 1
  note "came back"
}

# A node's Ready condition outlives its kubelet by 40 s, so each kubelet is asked too.
cluster_answers() {
  local node
  for node in "${NODES[@]}"; do
    engine exec "$node" curl -sf -m 2 -o /dev/null http://127.0.0.1:10248/healthz || return 1
  done
  on_cluster get --raw /readyz --request-timeout=3s >/dev/null 2>&1 &&
    on_cluster wait --for=condition=Ready node --all --timeout=5s 2>/dev/null
}

# wait_until SECONDS COMMAND...
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.5
  done
}

cluster_down() {
  rm -f "$CACHE/cluster.key" "$CACHE/loaded"
  kind delete cluster --name "$CLUSTER"
}

# What makes an image the same for a pod: layers and how it starts, but not labels or the time it was made.
image_content() {
  engine image inspect --format '{{json .RootFS.Layers}} {{json .Config.Entrypoint}} {{json .Config.Cmd}} {{json .Config.Env}} {{.Config.User}}' "$1" |
    hash_text
}

# load TAG...: into the worker, where all pods of ours run, what it does not have yet. The node itself remembers, so
# that the record goes with the node. Prints the tags that were loaded.
load() {
  local tag content known fresh=() record
  known=$(engine exec "$CLUSTER-worker" sh -c 'cat /kind/loaded/* 2>/dev/null' || true)
  record=""
  for tag in "$@"; do
    content=$(image_content "$tag")
    grep -qxF "$tag $content" <<<"$known" && continue
    fresh+=("$tag")
    record+="$tag $content"$'\n'
  done
  [ ${#fresh[@]} = 0 ] && return
  load_archive "${fresh[@]}" >&2
  while read -r tag content; do
    [ -n "$tag" ] || continue
    # shellcheck disable=SC2016 # for the shell in the node
    engine exec "$CLUSTER-worker" sh -c 'mkdir -p /kind/loaded && echo "$2" >"/kind/loaded/$1"' sh "${tag//\//_}" "$tag $content"
  done <<<"$record"
  printf '%s\n' "${fresh[@]}"
}

# One stream for all: layers that they share are sent once, and nothing is written in between. It is what `kind load`
# does, without its archive on disk.
load_archive() {
  local options=()
  [ "$ENGINE" != podman ] || options+=(--multi-image-archive)
  engine save ${options[@]+"${options[@]}"} "$@" |
    engine exec -i "$CLUSTER-worker" ctr -n k8s.io images import --all-platforms -
}

install_addons() {
  local name fresh deployment running
  # shellcheck disable=SC2046 # one tag a word
  fresh=$(load $(for name in "${ADDONS[@]}"; do addon_tag "$name"; done))
  running=$(on_cluster get deployment -A -o name)
  for name in "${ADDONS[@]}"; do
    on_cluster apply --server-side -f "$ROOT/hack/manifests/$name.yaml"
  done
  for deployment in traefik/traefik kube-system/metrics-server; do
    name=${deployment#*/}
    # A new image under the old tag is no change of a Deployment that ran before.
    if grep -qF "/$name" <<<"$running" && grep -qF "/$name:" <<<"$fresh"; then
      on_cluster -n "${deployment%/*}" rollout restart "deployment/$name"
    fi
    on_cluster -n "${deployment%/*}" rollout status "deployment/$name" --timeout=120s
  done
  on_cluster wait --for=condition=Available apiservice/v1beta1.metrics.k8s.io --timeout=60s
  wait_until 60 ingress_answers
}

# Traefik's own 404 on the published port
ingress_answers() { [ "$(curl -s -o /dev/null -m 2 -w '%{http_code}' http://127.0.0.1:8080/)" != 000 ]; }
