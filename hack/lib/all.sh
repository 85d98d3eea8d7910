# shellcheck shell=bash
# Everything that `up`, `down`, `demo` and `images` share. They set ROOT.

set -euo pipefail
if [ "${BASH_VERSINFO[0]}" -lt 5 ]; then
  echo "This needs bash 5 or newer, and this is $BASH_VERSION: install one and run make up again." >&2
  exit 1
fi
for part in log cache engine preflight gobuild tools base node images cluster platform; do
  # shellcheck source=/dev/null
  . "$ROOT/hack/lib/$part.sh"
done
export PATH="$CACHE/bin:$PATH"
