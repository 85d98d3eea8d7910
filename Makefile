# What a person runs. Each target is a line or two; the work is in hack/.
.DEFAULT_GOAL := help
.PHONY: help up down demo images generate

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

up: ## the local cluster with QuickBite on it, then the demo
	@hack/up

down: ## remove what up made; CACHE=1 removes what it cached too
	@CACHE_TOO=$(CACHE) hack/down

demo: ## walk an order through the running platform
	@hack/demo

images: ## build our images, load them, restart what changed
	@hack/up --only images

generate: ## write what is generated from the code: definitions, RBAC, the chart's copies
	@cargo run -q -p quickbite-operator -- generate .
