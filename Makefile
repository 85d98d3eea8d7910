# What a person runs. Each target is a line or two; the work is in hack/.
.DEFAULT_GOAL := help
.PHONY: help up down demo test check images generate bench

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

up: ## the local cluster with QuickBite on it, then the demo
	@hack/up

down: ## remove what up made; CACHE=1 removes what it cached too
	@CACHE_TOO=$(CACHE) hack/down

demo: ## walk an order through the running platform
	@hack/demo

test: ## every check and test, on the platform that it brings up if need be
	@hack/test

check: ## what can be judged without a platform: formatting, lints, dependencies, fast tests
	@hack/check

images: ## build our images, load them, restart what changed
	@hack/up --only images

generate: ## write what is generated from the code: definitions, RBAC, the chart's copies
	@cargo run -q -p quickbite-operator -- generate .
	@for service in user restaurant order driver notification payment gateway; do \
		cargo run -q -p quickbite-$$service -- openapi > services/$$service/openapi.json || exit 1; done

bench: ## benchmarks; they print figures and judge nothing
	@cargo bench --workspace
