# Everything a developer or a user runs. Each target works in a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check crds bench constraints clean

demo: $(READY)  ## a cluster, a controller, live traffic: one canary promoted, one aborted, one blue-green switch
	$(BIN)/rollouts demo

test: $(READY)  ## the whole test suite
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(READY)  ## style, types and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

crds: $(READY)  ## write crds/*.yaml from the models
	$(BIN)/python -m rollouts.api.crdgen crds

bench: $(READY)  ## print the table of benchmarks
	$(BIN)/python -m benchmarks

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

constraints:  ## pin the newest versions that fit pyproject.toml
	$(PYTHON) -m venv $(VENV)-pins
	$(VENV)-pins/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	( echo "# The versions everything was tested with; made by 'make constraints'."; \
	  $(VENV)-pins/bin/python -m pip freeze --exclude rollouts --exclude setuptools ) > constraints.txt
	rm -rf $(VENV)-pins

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
