# Commands for developers. `make` alone lists them.
PYTHON ?= python3
PORT ?= 8000
SANDBOX_PORT ?= 9100

SEED ?= 1-3
ORDERS ?= 100

BIN := .venv/bin
ROOMS := accounts catalog inventory fulfillment redemption operations
COVERED := $(foreach package,$(ROOMS) loyalty_portal,--cov=$(package))
# Two processes run the tests, each with its own PostgreSQL and Redis. With given servers one does.
BESIDE := $(if $(DATABASE_URL)$(REDIS_URL),,-n 2 --dist worksteal)
# Errors in these files could lose points, so tests must cover every branch.
SAGA := redemption/saga/transactions.py,redemption/saga/steps.py,redemption/saga/credits.py,redemption/saga/queues.py,redemption/checkout/services.py,$\
	redemption/saga/waits.py,redemption/saga/waiting.py,redemption/checkout/waits.py,$\
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
