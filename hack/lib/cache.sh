# shellcheck shell=bash disable=SC2034,SC2154 # parts of one program: see all.sh
# Where made things are kept, how they are named after their inputs, and the lock on them.

CACHE="${QUICKBITE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quickbite}"

# One `up` or `down` at a time on a machine: they share the engine, the cluster's name and the ports.
cache_lock() {
  mkdir -p "$CACHE/bin"
  exec 9>>"$CACHE/lock"
  if ! flock -n 9; then
    die "Another make up or make down is running on this machine (pid $(cat "$CACHE/lock.pid" 2>/dev/null || echo unknown)); wait for it to end."
  fi
  echo $$ >"$CACHE/lock.pid"
  end_orphans
}

# A run that was killed outright leaves its lanes working (see hack/up). Each leads a process group; a pid that another
# program has by now is left alone.
end_orphans() {
  local pid
  while read -r pid; do
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q 'hack/up' || continue
    kill -- "-$pid" 2>/dev/null || continue
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  done < <(cat "$CACHE/lanes" 2>/dev/null)
  rm -f "$CACHE/lanes"
}

# hash_of PATH...: of names and contents, relative to the current folder
hash_of() {
  find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | hash_text
}

# hash_text < text
hash_text() { sha256sum | cut -c1-12; }

# made GROUP NAME KEY COMMAND...: CACHE/GROUP/NAME-KEY, made by COMMAND in a temporary folder that it gets as its last
# argument and renamed when whole, so that a cut-off run leaves nothing that looks finished. Sets MADE, the folder.
made() {
  local group=$1 name=$2 key=$3 temp
  shift 3
  MADE="$CACHE/$group/$name-$key"
  if [ -d "$MADE" ]; then
    note cached
    return
  fi
  mkdir -p "$CACHE/$group"
  rm -rf "$CACHE/$group/.$name".*
  temp=$(mktemp -d "$CACHE/$group/.$name.XXXXXX")
  chmod 755 "$temp" # mktemp's 0700 would end up in images
  "$@" "$temp"
  mv "$temp" "$MADE"
  note built
  # What it replaces is of no use any more.
  find "$CACHE/$group" -mindepth 1 -maxdepth 1 -regex ".*/$name-[0-9a-f]*" ! -path "$MADE" -exec rm -rf {} +
}
