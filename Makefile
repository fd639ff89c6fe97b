# Every target works in .venv: made on first use, with the versions of constraints.txt, and left alone afterwards.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test quick test-portable lint docs bench results clean

# .venv has a ROS of its own. One that is sourced in this shell is for another Python, and its libraries would be
# mixed with ours; the last variable is set below a Python that has such a ROS, and would keep ours from being found.
unexport PYTHONPATH AMENT_PREFIX_PATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/ready

# Tests run side by side in WORKERS processes, a file in one of them, since its tests share what is slow to make. Many
# wait for DDS or for a child process, so there are more processes than two cores have work for; the quick ones do not.
TESTS ?= test
WORKERS ?= 4
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

help:  ## what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 20

demo: $(READY)  ## simulate an arm, train on it, estimate live: out/demo/report.html
	$(BIN)/vastares demo -o out/demo --force

test: $(READY)  ## all tests, with line coverage
	$(PYTEST) --cov=vastares_ros.core --cov=vastares_ros.models --cov=vastares_ros.runtime \
		--cov=vastares_ros.io --cov-report=term-missing:skip-covered --cov-fail-under=90

quick: WORKERS = 2
quick: $(READY)  ## tests without DDS and child processes, in a minute
	$(PYTEST) -m "not ros and not process and not slow" $(TESTS)

# Rounding differs between processors. Each setting lets PyTorch or a library of it do as on an older one.
test-portable: $(READY)  ## all tests, or TESTS="test/models …", as processors without AVX-512, AVX2 or AVX round
	ATEN_CPU_CAPABILITY=default NUMBA_CPU_NAME=generic $(PYTEST) $(TESTS)
	ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=+avx2,+fma $(PYTEST) $(TESTS)
	ONEDNN_MAX_CPU_ISA=SSE41 $(PYTEST) $(TESTS)

lint: $(READY)  ## ruff, mypy and codespell
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy bench/*.py
	$(BIN)/codespell

docs: $(READY)  ## the documentation as a site: out/docs/index.html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs out/docs

bench: $(READY)  ## every program in bench/: out/bench.json, with goals; on an idle computer
	$(BIN)/python bench/run.py

results: $(READY)  ## docs/research/results.md from the real recordings, hours; needs VASTARES_DATA or ../shared/data
	$(BIN)/python docs/research/results.py

clean:  ## remove what was built and written, the environment too
	rm -rf .venv build install log out *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The copies of launch/ and config/ under .venv/share must follow the checkout, as must the list of executables.
$(READY): constraints.txt setup.py setup.cfg package.xml vastares_ros/cli/main.py $(shell find launch config -type f)
	@'$(PYTHON)' -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
		echo "Python 3.11 to 3.14 with its venv module is needed and '$(PYTHON)' is not that." \
			"Name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing into .venv, once: minutes, and 2 GB or more with CUDA ($$('$(PYTHON)' --version))"
	@'$(PYTHON)' -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
		-e '.[ros,physics,report,ray,bench,test,lint,docs]' -c constraints.txt \
		| sed -unE 's/^ *((Using cached|Downloading) .*[MG]B\))$$/  \1/p; s/^(Installing) collected.*/  \1 what was collected/p'
	@echo "Compiling the kernels, once"
	@$(BIN)/python -c 'from vastares_ros.models import panels; from vastares_ros.runtime import compiled; \
		panels.kernels(); compiled.ready_kernels(print); \
		import vastares_ros.core.signal_kernels, vastares_ros.physics.kernels'
	@touch $@
