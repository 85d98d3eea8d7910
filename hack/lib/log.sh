# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# What a person sees while `make up` runs: one line a step, with its time; the rest goes to files.
#
# Steps may run side by side, so a line is printed when a step ends, numbered in that order. What is still running
# is shown by a heartbeat: in place on a terminal, as a plain line once a minute elsewhere.

RUN_DIR="" # this run's log folder
STEPS=0    # how many steps this run has
TTY=""
[ -t 1 ] && TTY=1

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# 83 ms -> 0.1s, 83000 ms -> 1m23s
elapsed() {
  local ms=$1
  if [ "$ms" -ge 60000 ]; then
    printf '%dm%02ds' $((ms / 60000)) $((ms / 1000 % 60))
  else
    printf '%d.%ds' $((ms / 1000)) $((ms / 100 % 10))
  fi
}

# steps_begin FOLDER COUNT
steps_begin() {
  RUN_DIR=$1 STEPS=$2
  # The last runs' logs are kept for reading, not for ever.
  find "$(dirname "$RUN_DIR")" -mindepth 1 -maxdepth 1 -type d -mtime +7 -exec rm -rf {} + 2>/dev/null || true
  mkdir -p "$RUN_DIR/running"
  echo 0 >"$RUN_DIR/count"
  : >"$RUN_DIR/times"
  heartbeat 9>&- &
  HEARTBEAT=$!
}

steps_end() {
  [ -z "${HEARTBEAT:-}" ] && return
  kill "$HEARTBEAT" 2>/dev/null || true
  wait "$HEARTBEAT" 2>/dev/null || true
  HEARTBEAT=""
  [ -n "$TTY" ] && printf '\r\033[K'
  return 0
}

heartbeat() {
  local line file start count=0
  while sleep 1 && kill -0 $$ 2>/dev/null; do # no longer than the run itself
    count=$((count + 1))
    line=""
    for file in "$RUN_DIR"/running/*; do
      start=$(cat "$file" 2>/dev/null) || continue
      line+=" · ${file##*/} $(elapsed $(($(now_ms) - start)))"
    done
    [ -n "$line" ] || continue
    if [ -n "$TTY" ]; then
      printf '\r\033[K        running:%.100s' "${line# ·}"
    elif [ $((count % 60)) = 0 ]; then
      printf '        running:%s\n' "${line# ·}"
    fi
  done
}

# step TITLE COMMAND...: runs it with its output in a file; the last `note` stands on the step's line.
step() {
  local title=$1 start file status=0 spent
  shift
  start=$(now_ms)
  file="$RUN_DIR/${title//[ \/:]/-}"
  echo "$start" >"$RUN_DIR/running/${title//\//-}"
  # A function called under `||` or `if` loses `set -e`; its own subshell, waited for, keeps it.
  (
    set -euo pipefail
    NOTE_FILE="$file.note" "$@"
  ) >"$file.log" 2>&1 9>&- &
  wait $! || status=$?
  rm -f "$RUN_DIR/running/${title//\//-}"
  spent=$(($(now_ms) - start))
  if [ "$status" = 0 ]; then
    step_line "$title" "$(cat "$file.note" 2>/dev/null || echo "done")" "$spent"
    printf '%s\t%s\n' "$spent" "$title" >>"$RUN_DIR/times"
    return 0
  fi
  step_line "$title" FAILED "$spent"
  {
    echo "--- the last lines of $file.log:"
    tail -n 20 "$file.log"
    echo "--- step \"$title\" failed; its whole log: $file.log"
  } >&2
  return "$status"
}

# One writer at a time, so that lines and their numbers come in order.
step_line() {
  (
    flock 8
    local number=$(($(cat "$RUN_DIR/count") + 1))
    echo "$number" >"$RUN_DIR/count"
    if [ -n "$TTY" ]; then printf '\r\033[K'; fi
    printf '[%2d/%d] %s %s (%s)\n' "$number" "$STEPS" "$(dots "$1")" "$2" "$(elapsed "$3")"
  ) 8>>"$RUN_DIR/count.lock"
}

dots() {
  local fill="................................"
  printf '%s %s' "$1" "${fill:${#1}}"
}

note() { echo "$*" >"$NOTE_FILE"; }
