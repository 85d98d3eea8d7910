# shellcheck shell=bash
# Everything that `up`, `down` and `demo` share. They set ROOT.

set -euo pipefail
shopt -s inherit_errexit
if [ "${BASH_VERSINFO[0]}" -lt 5 ]; then
  echo "This needs bash 5 or newer, and this is $BASH_VERSION: install one and run make up again." >&2
  exit 1
fi
# shellcheck source=hack/lib/log.sh
. "$ROOT/hack/lib/log.sh"
# shellcheck source=hack/lib/cache.sh
. "$ROOT/hack/lib/cache.sh"
# shellcheck source=hack/lib/engine.sh
. "$ROOT/hack/lib/engine.sh"
# shellcheck source=hack/lib/preflight.sh
. "$ROOT/hack/lib/preflight.sh"
# shellcheck source=hack/lib/gobuild.sh
. "$ROOT/hack/lib/gobuild.sh"
# shellcheck source=hack/lib/tools.sh
. "$ROOT/hack/lib/tools.sh"
# shellcheck source=hack/lib/base.sh
. "$ROOT/hack/lib/base.sh"
# shellcheck source=hack/lib/node.sh
. "$ROOT/hack/lib/node.sh"
# shellcheck source=hack/lib/images.sh
. "$ROOT/hack/lib/images.sh"
# shellcheck source=hack/lib/cluster.sh
. "$ROOT/hack/lib/cluster.sh"
# shellcheck source=hack/lib/platform.sh
. "$ROOT/hack/lib/platform.sh"
export PATH="$CACHE/bin:$PATH"
