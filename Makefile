# Commands for developers. `make` alone lists them.
PYTHON ?= python3
PORT ?= 8000
SANDBOX_PORT ?= 9100

SEED ?= 1-3
ORDERS ?= 100

BIN := .venv/bin
ROOMS := accounts catalog inventory fulfillment redemption operations
COVERED := $(foreach package,$(ROOMS) loyalty_portal,--cov=$(package))
# Three processes run the tests, each with its own PostgreSQL and Redis: on two processors, because
# each waits a third of its time. With given servers one does.
BESIDE := $(if $(DATABASE_URL)$(REDIS_URL),,-n 3 --dist worksteal)
# Errors in these files could lose points, so tests must cover every branch.
SAGA := redemption/saga/transactions.py,redemption/saga/steps.py,redemption/saga/corrections.py,redemption/saga/credits.py,redemption/saga/queues.py,redemption/checkout/services.py,redemption/checkout/approvals/deciding.py,$\
	redemption/saga/waits.py,redemption/saga/waiting.py,redemption/checkout/waits.py,redemption/orders/asking/services.py,$\
	redemption/saga/doubts.py,redemption/saga/numbers.py,redemption/points/doubting.py,redemption/messages/digests.py,$\
	redemption/saga/inbox.py,redemption/orders/actions/services.py,$\
	redemption/management/commands/sweep.py,fulfillment/services.py,$\
	fulfillment/virtual/saga.py,fulfillment/virtual/services.py,inventory/services.py,$\
	accounts/loyalty.py,loyalty_portal/data/leases.py,loyalty_portal/data/lifecycle.py,$\
	loyalty_portal/partners/answers.py,loyalty_portal/partners/breaker.py,loyalty_portal/partners/calls.py,loyalty_portal/partners/client.py,$\
	loyalty_portal/partners/deadline.py,loyalty_portal/partners/token.py,loyalty_portal/partners/wire.py,$\
	loyalty_portal/fastpath/*,$\
	redemption/orders/actions/transaction_decisions.py,$\
	redemption/orders/actions/delivery_decisions.py,redemption/orders/actions/dual_control.py,$\
	redemption/points/reconciliation/matching.py,redemption/points/reconciliation/selectors.py,$\
	redemption/points/reconciliation/services.py,redemption/points/reconciliation/statements.py,$\
	redemption/points/reconciliation/tally.py

.DEFAULT_GOAL := help
LOCK = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --excludes .ci/left-out.txt

.PHONY: help messages demo demo-code test coverage test-long test-plain mutants lint lint-types lint-style format production-check production-faults check-api check-document bench bench-pieces bench-saga bench-size bench-webhooks bench-webhooks-out bench-api bench-observability bench-import bench-admin bench-catalog bench-index bench-metrics bench-people bench-lighthouse screenshots seed-scale chaos audit sbom release lock clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name does; do \
		printf '  make %-17s %s\n' "$$name" "$$does"; done

demo: .venv/installed ## Run the whole portal here until Ctrl-C (PORT=8000 SANDBOX_PORT=9100)
	@exec env DEBUG=true $(BIN)/python manage.py demo --port $(PORT) --sandbox-port $(SANDBOX_PORT)

demo-code: .venv/installed ## Print the code that the demo's staff sign in with
	@DEBUG=true $(BIN)/python manage.py demo_code

test: .venv/installed ## Run the tests, browser tests included; every branch of the saga is tried
	$(BIN)/python -m pytest $(BESIDE) -m 'not long and not production' $(COVERED) --cov-report=
	$(BIN)/coverage report --include='$(SAGA)' --show-missing --skip-covered --fail-under=100

coverage: .venv/installed ## Run the tests and measure the coverage of all files: at least 90 %
	$(BIN)/python -m pytest $(BESIDE) --measure-all -m 'not long and not production' $(COVERED) --cov-report=term:skip-covered --cov-fail-under=90

test-long: .venv/installed ## Run the tests that take a minute or so each, a quarter of an hour in all
	$(BIN)/python -m pytest $(BESIDE) -m 'long and not production'

test-plain: .venv/installed ## Run the tests as plain Django, without the fastpath
	FASTPATH=false $(BIN)/python -m pytest $(BESIDE) -m 'not long and not production'

production-check: .venv/installed ## Start everything that production has, order once, and check what deploy/ ships
	$(BIN)/python -m pytest $(subst -n 3 --dist worksteal,-n 2 --dist loadfile --no-loadscope-reorder,$(BESIDE)) tests/production -m 'not long'

production-faults: .venv/installed ## The tests of deploy/ that take long: faults and their alerts
	$(BIN)/python -m pytest tests/production tests/loyalty_portal/data tests/loyalty_portal/configuration/observability -m long

check-api: SEED =
check-api: .venv/installed ## Call the API with thousands of right and wrong calls made from its document (SEED=1)
	SEED=$(SEED) $(BIN)/python -m pytest tests/loyalty_portal/api/test_fuzzed.py -m long -n 0 -rP

check-document: ## Lint the document of the API with Redocly (needs Node.js with npm)
	@cd .ci/document && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@cd .ci/document && REDOCLY_TELEMETRY=off npx --no-install redocly lint ../../docs/api/openapi-v1.json

mutants: .venv/installed ## Find mistakes that no test would notice, an hour or two (SEED=1)
	$(BIN)/python -m tests.mutants --seed $(firstword $(subst -, ,$(SEED)))

lint: .venv/installed ## Check style, types, import rules, templates, migrations, deployment
	@$(MAKE) --no-print-directory -j 2 lint-types lint-style

lint-types: .venv/installed
	DEBUG=true $(BIN)/mypy .

lint-style: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --check templates
	$(BIN)/djlint --lint templates
	$(BIN)/lint-imports
	DEBUG=true $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(BIN)/python -W ignore::RuntimeWarning .ci/migrations.py
	$(BIN)/python .ci/production.py check --deploy --fail-level WARNING

format: .venv/installed ## Format code and templates
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint --quiet --reformat templates

messages: .venv/installed ## Collect the texts to translate in locale/de, and compile all (needs gettext)
	DEBUG=true $(BIN)/python manage.py makemessages --locale de --no-location --no-obsolete \
		--ignore .venv --ignore .local --ignore tests --ignore benchmarks --ignore static
	sed -i '/^"POT-Creation-Date/d; /^"Report-Msgid-Bugs-To/d' locale/de/LC_MESSAGES/django.po
	for source in $$(find locale -name '*.po'); do msgfmt --check-format -o $${source%.po}.mo $$source || exit 1; done

bench: .venv/installed ## Measure the portal against a bare Django app, pages of large orders, and what the feed costs
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.large.order_pages
	$(BIN)/python -m benchmarks.large.unfollowed

bench-pieces: .venv/installed ## Measure what each piece of the fastpath saves of its request (BENCH_ROUNDS=11)
	$(BIN)/python -m benchmarks.pieces

bench-saga: .venv/installed ## Measure orders against the same writes in pgbench, and large orders against small ones
	$(BIN)/python -m benchmarks.saga
	$(BIN)/python -m benchmarks.large.orders

bench-size: .venv/installed ## Measure rows, bytes and log of an order until it is delivered (BENCH_ORDERS=500)
	$(BIN)/python -m benchmarks.large.order_size

bench-webhooks: .venv/installed ## Measure how 1,000 callbacks a second, mostly forged, slow the shop down
	$(BIN)/python -m benchmarks.webhooks

bench-webhooks-out: .venv/installed ## Measure events to companies' own systems while some hang and sweepers are killed (BENCH_SECONDS=600)
	$(BIN)/python -m benchmarks.webhooks_out

bench-api: .venv/installed ## Measure the API beside bare orjson and the checkout, and a company beside another that floods it
	$(BIN)/python -m benchmarks.api

bench-metrics: .venv/installed ## Measure what figures for Prometheus cost a request, with and without in turns
	$(BIN)/python -m benchmarks.metrics

bench-catalog: .venv/installed ## Measure pages that were never asked before beside a bare list (BENCH_PRODUCTS=1000,100000)
	$(BIN)/python -m benchmarks.large.catalogue

bench-people: .venv/installed ## Measure orders for many people, and of spreadsheets (BENCH_PEOPLE=40 BENCH_ROWS=5000)
	$(BIN)/python -m benchmarks.large.people --people $(or $(BENCH_PEOPLE),40) --rows $(or $(BENCH_ROWS),5000) \
		--orders $(or $(BENCH_ORDERS),5000) --rounds $(or $(BENCH_ROUNDS),7)

bench-lighthouse: .venv/installed ## Ask Lighthouse about five pages on a phone (needs Node.js with npm, and Chromium)
	@cd benchmarks/lighthouse && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/python -m benchmarks.lighthouse

bench-index: .venv/installed ## Measure how far the search index is behind while products change (BENCH_PRODUCTS=1000)
	$(BIN)/python -m benchmarks.large.following

bench-admin: .venv/installed ## Measure each page of the back office at a million orders beside 10,000 (an hour at first)
	$(BIN)/python -m benchmarks.admin

seed-scale: .venv/installed ## Make a database of a million orders in .local/scale (SCALE_ORDERS, SCALE_PRODUCTS)
	$(BIN)/python -m benchmarks.scale

bench-observability: .venv/installed ## Measure what the line of each request and traces cost, in turns
	$(BIN)/python -m benchmarks.observability

bench-import: .venv/installed ## Measure the import of products in files of two sizes (BENCH_ROWS=50000,200000)
	$(BIN)/python -m benchmarks.imports

chaos: .venv/installed ## Run the whole portal under every fault (SEED=1-20 ORDERS=300)
	$(BIN)/python -m tests.chaos --seed $(SEED) --orders $(ORDERS)

audit: .venv/installed ## Ask the package index for known vulnerabilities of the pinned packages
	@$(BIN)/python .ci/audit.py

sbom: .venv/installed ## Write the list of the product's parts (CycloneDX) to dist/sbom.cdx.json
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements requirements.txt --output-reproducible -o dist/sbom.cdx.json

release: .venv/installed ## Make dist/: sources, list of parts, checksums of this version
	@BIN=$(BIN) .ci/release

screenshots: .venv/installed ## Renew the pictures in docs/img from the demo (needs Chromium)
	$(BIN)/python -m tests.screenshots

lock: .venv/installed ## Compile the requirements with their hashes
	$(LOCK) requirements-dev.in -o requirements-dev.txt
	$(LOCK) -c requirements-dev.txt requirements.in -o requirements.txt
	$(LOCK) -c requirements-dev.txt requirements-otel.in -o requirements-otel.txt
	$(LOCK) -c requirements-dev.txt requirements-aws.in -o requirements-aws.txt

clean: ## Remove the environment, the demo's data and caches
	rm -rf .venv .local dist .coverage htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Runs again only when the requirements change.
.venv/installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
		"The portal needs Python 3.11 or newer; $(PYTHON) is %d.%d. " % sys.version_info[:2] + \
		"Name another: make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv || { echo "Python's venv is missing (Debian, Ubuntu: apt install python3-venv)."; exit 1; }
	@echo "Installing the requirements into .venv (once, a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@
