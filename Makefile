SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
INVENTORIES := inventory/demo inventory/shopping_list $(wildcard molecule/*/inventory tools/bench/inventory*)

.PHONY: help venv repository demo test sweep bench lint unit contract reference clean

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

venv: ## install what the controller needs, and make keys and the demo's secrets
	@tools/bootstrap

repository: venv
	@for example in interactive_examples:examples shopping_list:shopping; do \
	  repository=.tickbox/repositories/$${example%:*}.git; \
	  python examples/build_repository.py examples/$${example%:*} $$repository --signers-dir .tickbox/signers; \
	  python tools/demo_signers.py $$repository .tickbox/signers .tickbox/attestations/$${example#*:} $${example#*:} demo; \
	done

demo: repository ## bring up a test host and deploy the example application to it
	@tools/demo

test: repository ## everything: lint, unit and contract tests, and each scenario on test hosts
	@tools/test

sweep: repository ## kill deployments and rollbacks at each task, see them recover: SWEEP="--points 12,40"
	@python tools/sweep $(SWEEP)

bench: repository ## measure beside Capistrano, and write docs/benchmarks.md: BENCH="--rounds 5 --cases code_only,rollback"
	@python -m tools.bench $(BENCH)

lint: venv ## ansible-lint, yamllint, ruff, mypy
	ruff check
	ruff format --check
	mypy library plugins tests tools molecule/plugins $(wildcard molecule/*/tests)
	yamllint --strict .
	ansible-lint

unit: venv ## tests of the modules
	pytest --quiet --numprocesses 2 --dist loadfile --durations 20 tests/unit

contract: venv ## tests of what holds the parts together
	pytest --quiet tests/contract

reference: venv ## write docs/reference from what roles, modules and playbooks say of themselves
	@python tools/reference

clean: ## remove our test hosts, by name
	@if [[ -x .venv/bin/ansible-playbook ]]; then ansible-playbook $(INVENTORIES:%=--inventory=%) testhosts/destroy.yml --tags all,network; fi
