# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# QuickBite on the cluster: the operator, the sample platform, and waiting until it is Ready.

# What was loaded and not yet acted on; kept in a file until restart_changed has done its work, even if this run is cut
# off in between.
LOADED="$CACHE/loaded"

load_stores() {
  local tags=() name fresh
  for name in "${STORES[@]}"; do tags+=("$(store_tag "$name")"); done
  fresh=$(load "${tags[@]}")
  note "$(count_words "$fresh") loaded"
}

load_apps() {
  local tags=() name fresh
  for name in "${COMPONENTS[@]}"; do tags+=("$(app_tag "$name")"); done
  fresh=$(load "${tags[@]}")
  [ -z "$fresh" ] || echo "$fresh" >>"$LOADED"
  note "$(count_words "$fresh") loaded"
}

count_words() { wc -w <<<"$1"; }

install_operator() {
  on_cluster apply --server-side --force-conflicts -k "$ROOT/kustomize/base"
  on_cluster wait --for=condition=Established crd/quickbiteplatforms.quickbite.dev --timeout=60s
  on_cluster -n quickbite-system rollout status deployment/quickbite-operator --timeout=120s
}

apply_platform() {
  on_cluster apply --server-side --force-conflicts -k "$ROOT/kustomize/overlays/development"
  note applied
}

# An image that changed under its tag reaches only pods that are made anew, and its migrations run in a Job that is
# there already: the Job is removed, which the operator puts back, and the Deployment restarted.
restart_changed() {
  local service selector changed=()
  if [ ! -s "$LOADED" ]; then
    note none
    return
  fi
  if grep -q "quickbite.dev/operator:" "$LOADED" && restart quickbite-system app.kubernetes.io/name=quickbite-operator; then
    changed+=(operator)
  fi
  for service in "${SERVICES[@]}"; do
    grep -q "quickbite.dev/$service:" "$LOADED" || continue
    on_cluster -n quickbite delete job --ignore-not-found \
      -l "app.kubernetes.io/component=$service,quickbite.dev/role=migration"
    selector="app.kubernetes.io/part-of=quickbite,app.kubernetes.io/component=$service"
    if restart quickbite "$selector"; then changed+=("$service"); fi
  done
  rm -f "$LOADED"
  note "${changed[*]:-none}"
}

# restart NAMESPACE SELECTOR: false where there is nothing to restart
restart() {
  [ -n "$(on_cluster -n "$1" get deployment -l "$2" -o name)" ] || return 1
  on_cluster -n "$1" rollout restart deployment -l "$2"
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
  # The operator may not have seen yet what was restarted just now.
  on_cluster -n quickbite rollout status deployment -l app.kubernetes.io/part-of=quickbite --timeout=120s
  note Ready
}

# True only when the operator has seen the object as it is now.
platform_condition() {
  on_cluster -n quickbite get qbp quickbite -o json 2>/dev/null | jq -r '
    .metadata.generation as $now
    | .status.conditions[]? | select(.type == "Ready" and (.observedGeneration // $now) == $now) | .status'
}

# What is not there yet, and the operator's own words on it.
platform_waits_for() {
  on_cluster -n quickbite get qbp quickbite -o json 2>/dev/null | jq -r '
    [ (.status.components // [])[] | select(.ready < .desired) | .name + (if (.message // "") == "" then "" else " (\(.message))" end) ]
    + [ (.status.conditions // [])[] | select(.type == "Ready" and .status != "True") | (.message // .reason) ]
    | if length == 0 then "the operator to report" else join(", ") end' || echo "the platform object"
}
