# shellcheck shell=bash
# Running named steps of the checks: one line each with its time, the output only when it fails,
# and a tally of tests that survives from `hack/check` to `hack/test`.

# The tally: `hack/test` hands its file to `hack/check`.
if [[ -z "${QUICKBITE_TALLY:-}" ]]; then
    QUICKBITE_TALLY="$(mktemp)"
    export QUICKBITE_TALLY
    QUICKBITE_TALLY_OWNER=$$
    trap 'rm -f "$QUICKBITE_TALLY"' EXIT
fi

step() {
    local what="$1" log start=$SECONDS
    shift
    log="$(mktemp)"
    printf '%-44s' "$what"
    if "$@" >"$log" 2>&1; then
        printf 'ok    %4d s\n' $((SECONDS - start))
        rm -f "$log"
    else
        printf 'FAILED %3d s\n' $((SECONDS - start))
        cat "$log"
        rm -f "$log"
        echo "failed: $*" >&2
        exit 1
    fi
}

# Runs nextest with its own output, and adds its counts to the tally. A run without any test is a
# failure: a filter that matches nothing must not pass for success.
nextest() {
    local what="$1" out status=0 summary passed failed
    shift
    echo "$what"
    out="$(mktemp)"
    cargo nextest run --workspace --no-tests fail "$@" 2>&1 | tee "$out" || status=$?
    summary="$(sed -n 's/\x1b\[[0-9;]*m//g; /Summary \[/p' "$out" | tail -n 1)"
    # `sed -n`: no match is no failure, unlike grep's.
    passed="$(sed -nE 's/.* ([0-9]+) passed.*/\1/p' <<<"$summary")"
    failed="$(sed -E 's/[^0-9]*([0-9]+) (failed|timed out)/\n#\1\n/g' <<<"$summary" | awk -F'#' '/^#/ { n += $2 } END { print n + 0 }')"
    rm -f "$out"
    echo "${passed:-0} ${failed:-0}" >>"$QUICKBITE_TALLY"
    if ((status != 0)); then
        QUICKBITE_TALLY_OWNER=$$ finish
        exit 1
    fi
}

# The closing count, printed by whoever started the tally.
finish() {
    [[ "${QUICKBITE_TALLY_OWNER:-}" == "$$" ]] || return 0
    awk '{ passed += $1; failed += $2 } END { printf "%d passed, %d failed\n", passed, failed }' \
        "$QUICKBITE_TALLY"
}
