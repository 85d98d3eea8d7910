# shellcheck shell=bash
# To be sourced: opens the local platform's stores to tests on this host and exports where they are.
# Tests make databases, keys and queues of their own beside the platform's; the broker gives them a
# virtual host of their own, so that no service takes a test's message for an order.

PATH="${QUICKBITE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/quickbite}/bin:$PATH"

store_kubectl() { kubectl --context kind-quickbite -n quickbite "$@"; }

# The admin's password of a store: Secret <platform>-<store>-admin.
store_password() {
    store_kubectl get secret "quickbite-$1-admin" -o go-template='{{.data.password | base64decode}}'
}

store_kubectl apply --server-side -f "$(dirname "${BASH_SOURCE[0]}")/../manifests/store-access.yaml" >/dev/null
store_kubectl exec quickbite-rabbitmq-0 -- sh -c '
    rabbitmqctl --quiet list_vhosts | grep -qx test || rabbitmqctl --quiet add_vhost test --default-queue-type quorum
    rabbitmqctl --quiet set_permissions -p test admin ".*" ".*" ".*"' >/dev/null

TEST_POSTGRES_ADMIN_URL="postgres://postgres:$(store_password postgres)@127.0.0.1:15432/postgres"
TEST_MONGODB_URI="mongodb://root:$(store_password mongodb)@127.0.0.1:17017/?authSource=admin&directConnection=true"
TEST_REDIS_URL="redis://admin:$(store_password redis)@127.0.0.1:16379/15"
TEST_AMQP_URL="amqp://admin:$(store_password rabbitmq)@127.0.0.1:15673/test"
export TEST_POSTGRES_ADMIN_URL TEST_MONGODB_URI TEST_REDIS_URL TEST_AMQP_URL
