# Everything below works on a Linux machine with Python 3.11 or newer, git and make.
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PARTS ?=

.DEFAULT_GOAL := help
.PHONY: compare-inventory compare-content help run demo test test-setup mysql-sandbox bench simulate chaos requirements lint format migrate worker keeper flask venv venv-dev clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

run: venv ## Start the platform on 127.0.0.1:8000 with everything it needs (data in var/)
	@$(BIN)/python -m app.standalone run $(ARGS)

demo: venv ## Start it, run a playbook that works and one that fails, show the ticket; ARGS=--exit stops then
	@$(BIN)/python -m app.standalone demo $(ARGS)

test: venv-dev test-setup ## Run the whole suite; PARTS="plain mariadb" for some of it, ARGS for pytest
	@$(BIN)/python scripts/run_tests.py $(PARTS) -- $(ARGS)

test-setup: venv-dev ## Install what the tests need beside Python (as root on Debian), say what is missing
	@scripts/test-setup $(BIN)/python

mysql-sandbox: venv-dev ## Install a private MySQL for the tests (root, Debian; a minute and 700 MB)
	@$(BIN)/python -m tests.support.mysql_sandbox install

bench: venv-dev ## Measure the engine; writes build/bench.json
	@$(BIN)/python -m bench $(ARGS)

chaos: venv-dev ## Prove it under faults: SEED=7 CASES=R1,R5 QUICK=1 DATABASE=mysql|both WITHOUT=lease; writes build/chaos.json
	@$(BIN)/python -m chaos $(if $(SEED),--seed $(SEED)) $(if $(CASES),--cases $(CASES)) $(if $(QUICK),--quick) \
	  $(if $(DATABASE),--database $(DATABASE)) $(if $(WITHOUT),--without $(WITHOUT)) $(ARGS)

simulate: venv-dev ## Play seeded histories of the engine with faults; writes build/simulation.json. ARGS="--histories 100000"
	@$(BIN)/python -m simulation $(ARGS)

requirements: venv-dev ## Print each rule of the requirements and each attack with the tests that hold it
	@$(BIN)/python scripts/requirements_table.py

compare-inventory: venv-dev ## Import inventories of DIR (a file or a folder of them), export, compare with ansible-inventory
	@MILLWRIGHT_INVENTORIES="$(DIR)" $(BIN)/python -m pytest -q tests/inventory/test_real_inventories.py --part=plain

compare-content: venv-dev ## Run PLAYBOOKS of the git repository DIR here and by ansible-playbook on twin hosts, compare
	@MILLWRIGHT_CONTENT="$(DIR)" MILLWRIGHT_CONTENT_PLAYBOOKS="$(PLAYBOOKS)" MILLWRIGHT_CONTENT_GROUPS="$(GROUPS)" \
	  $(BIN)/python -m pytest -q tests/e2e/test_real_content.py -k other_people

lint: venv-dev ## Style, types, import contracts
	@$(BIN)/python scripts/run_tests.py lint

format: venv-dev ## Format the Python files, write docs/settings.md
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/python scripts/settings_doc.py

migrate: venv ## Bring the database of `make run` to the newest schema
	@$(BIN)/python -m app.standalone migrate

worker: venv ## One more worker beside `make run`
	@$(BIN)/python -m app.standalone worker

keeper: venv ## One more keeper beside `make run` (one of them leads)
	@$(BIN)/python -m app.standalone keeper

flask: venv ## A command on the data of `make run`: make flask ARGS="audit verify"
	@$(BIN)/python -m app.standalone flask $(ARGS)

venv:
	@scripts/venv $(VENV) requirements.txt

venv-dev:
	@scripts/venv $(VENV) requirements.txt requirements-dev.txt

clean: ## Remove what can be made again (not var/, where the data lies)
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
