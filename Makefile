# The project's everyday commands. `make` alone lists them.

PYTHON ?= python3
APP := .venv/app/bin
SETUP = $(PYTHON) tools/setup.py
UV_COMPILE = uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help run test train widget lint types format lock upgrade clean python

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: python ## install what is missing, train if needed, start everything; Ctrl-C stops it
	@$(SETUP)
	@$(PYTHON) tools/widget.py
	@exec ./ketalink serve

test: python ## install what is missing, run every check and the whole test suite
	@$(SETUP) --test
	@$(PYTHON) tools/widget.py --test
	@exec tools/check.sh

train: python ## train the assistant's model if its inputs changed
	@$(SETUP)
	@exec ./ketalink train

widget: python ## build the website widget if its source changed (needs Node 18 or newer)
	@$(PYTHON) tools/widget.py --test

lint: python ## ruff: mistakes and formatting
	@$(SETUP) --test
	@$(APP)/ruff check .
	@$(APP)/ruff format --check .

format: python ## ruff: mend what it can, format the rest
	@$(SETUP) --test
	@$(APP)/ruff check --fix .
	@$(APP)/ruff format .

types: python ## mypy
	@$(SETUP) --test
	@$(APP)/mypy

# Keeps the versions that requirements/*.txt already hold, as far as pyproject.toml allows; `make upgrade` takes the newest.
lock: ## compile requirements/*.txt from pyproject.toml (needs uv 0.7 or newer); keeps versions that still fit
	$(UV_COMPILE) $(NEWEST) --group rasa --override requirements/rasa.overrides.txt -o requirements/rasa.txt
	$(UV_COMPILE) $(NEWEST) --group app -o requirements/app.txt
	$(UV_COMPILE) $(NEWEST) --group test -c requirements/app.txt -o requirements/test.txt
	$(UV_COMPILE) $(NEWEST) --group tools -o requirements/tools.txt

upgrade: NEWEST = --upgrade
upgrade: lock ## like lock, but takes the newest versions that pyproject.toml allows

clean: ## delete environments, trained models and caches; keeps the database and .env
	rm -rf .venv models frontdesk/widget/node_modules .rasa .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) is missing. Debian or Ubuntu: sudo apt install python3 python3-venv. Fedora: sudo dnf install python3.11."; \
		exit 1; }
