# shellcheck shell=bash
# QuickBite on the cluster: the operator, the sample platform, and waiting until it is Ready.

LOADED="" # what load_images loaded, in a file: steps run in shells of their own

load_images() {
  local tags=() fresh
  while read -r tag; do
    if [ -n "$(image_id "$tag")" ]; then tags+=("$tag"); fi
  done < <(loaded_tags)
  fresh=$(load "${tags[@]}")
  # Kept until restart_changed has done its work, even if this run is cut off in between.
  if [ -n "$fresh" ]; then
    echo "$fresh" >>"$LOADED"
    note "$(wc -l <<<"$fresh") loaded"
  else
    note "nothing new"
  fi
}

install_operator() {
  on_cluster apply --server-side --force-conflicts -k "$ROOT/kustomize/base"
  on_cluster wait --for=condition=Established crd -l app.kubernetes.io/part-of=quickbite --timeout=60s ||
    on_cluster wait --for=condition=Established crd/quickbiteplatforms.quickbite.dev --timeout=60s
  if grep -q "quickbite.dev/operator:" "$LOADED" 2>/dev/null; then
    on_cluster -n quickbite-system rollout restart deployment -l app.kubernetes.io/part-of=quickbite
  fi
  on_cluster -n quickbite-system wait --for=condition=Available deployment --all --timeout=120s
}

apply_platform() { on_cluster apply --server-side --force-conflicts -k "$ROOT/kustomize/overlays/development"; }

# An image that changed under its tag reaches only pods that are made anew, and its migrations run in a Job that is
# there already: the Job is removed, which the operator puts back, and the Deployment restarted.
restart_changed() {
  local service selector changed=()
  [ -s "$LOADED" ] || return 0
  for service in "${SERVICES[@]}"; do
    grep -q "quickbite.dev/$service:" "$LOADED" || continue
    selector="app.kubernetes.io/part-of=quickbite,app.kubernetes.io/component=$service"
    [ -n "$(on_cluster -n quickbite get deployment -l "$selector" -o name)" ] || continue
    on_cluster -n quickbite delete job -l "app.kubernetes.io/component=$service,quickbite.dev/role=migration"
    on_cluster -n quickbite rollout restart deployment -l "$selector"
    changed+=("$service")
  done
  rm -f "$LOADED"
  if [ ${#changed[@]} -gt 0 ]; then note "restarted ${changed[*]}"; else note "nothing changed"; fi
}

# platform_ready: waits for Ready=True of this generation, saying what it waits for.
platform_ready() {
  local end=$((SECONDS + 300)) said="" now
  until [ "$(platform_condition)" = True ]; do
    now=$(platform_waits_for)
    [ "$now" = "$said" ] || echo "$(date +%T) waiting for: $now"
    said=$now
    if [ "$SECONDS" -ge "$end" ]; then
      on_cluster -n quickbite describe qbp quickbite
      on_cluster -n quickbite get pods -o wide
      echo "the operator's log: kubectl -n quickbite-system logs deployment/quickbite-operator"
      echo "a service's log:    kubectl -n quickbite logs -l app.kubernetes.io/component=SERVICE"
      echo "not Ready after 5 minutes; it was waiting for: $now"
      return 1
    fi
    sleep 0.5
  done
  note "Ready"
}

# True only when the operator has seen the object as it is now.
platform_condition() {
  on_cluster -n quickbite get qbp quickbite -o json 2>/dev/null | jq -r '
    .metadata.generation as $now
    | .status.conditions[]? | select(.type == "Ready" and (.observedGeneration // $now) == $now) | .status'
}

platform_waits_for() {
  on_cluster -n quickbite get qbp quickbite -o json 2>/dev/null | jq -r '
    [ (.status.conditions // [])[] | select(.type == "Ready" and .status != "True") | (.message // .reason) ]
    + [ (.status.components // [])[]? | select(.ready == false) | .name ]
    | if length == 0 then "the operator to report" else join(", ") end' || echo "the platform object"
}
