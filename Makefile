# make demo [FLAIR=scan.nii.gz] [OUT=folder]   segment a synthetic patient, or a scan of yours
# make test | lint
# make bench [COMPARE=1] [STORE=1]        how fast it is; against, or instead of, the figures in docs/performance.json
# make slicer                             whether packages install into Slicer, and the core on its numpy and scipy
#
# The first run makes .venv with the exact versions of constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(RUN)/python -m pip --disable-pip-version-check
TORCH := $(shell grep ^torch== constraints.txt)
SLICER := $(VENV)/slicer
ON_SLICERS_NUMPY := registration bending subtraction similarity bias grid components regions metrics enhancement segment
OUT ?=
PYTEST_ARGS ?= -n 2 --dist worksteal

.PHONY: demo test slicer bench lint clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(RUN)/mslesionseg demo $(if $(FLAIR),--flair "$(FLAIR)") $(if $(OUT),-o "$(OUT)",-o demo --overwrite)

test: $(READY)
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest $(PYTEST_ARGS)

slicer: $(SLICER)/.ready
	PYTHONPATH=$(SLICER) $(RUN)/python .ci/slicer_packages.py
	PYTHONPATH=$(SLICER) OMP_NUM_THREADS=1 $(RUN)/python -m pytest $(PYTEST_ARGS) \
	  $(ON_SLICERS_NUMPY:%=Testing/Core/test_%.py)

bench: $(READY)
	$(RUN)/python Testing/benchmarks/bench.py
	OMP_NUM_THREADS=1 $(RUN)/python Testing/benchmarks/compare.py $(if $(STORE),--store) $(if $(COMPARE),--strict)

lint: $(READY)
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .

clean:
	rm -rf $(VENV) demo

# torch comes first and alone: whatever needs it later finds this build and does not bring another one. Where PyTorch's
# default would bring GPU packages to a computer without such a GPU, uv, which knows PyTorch's builds, chooses.
$(READY): constraints.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed."; exit 1; }
	test -x $(RUN)/python || "$(PYTHON)" -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt pip
	if ! command -v nvidia-smi >/dev/null && $(PIP) install --dry-run $(TORCH) | grep -q "Would install.*nvidia"; then \
	  $(PIP) install --quiet -c constraints.txt uv; \
	  $(RUN)/uv pip install --quiet --python $(RUN)/python --torch-backend=auto -c constraints.txt $(TORCH) \
	    || echo "No smaller build of PyTorch could be had: its default comes, with several GB of GPU packages."; fi
	$(PIP) install --quiet -c constraints.txt $(TORCH)
	$(PIP) install --quiet -c constraints.txt setuptools
	$(PIP) install --quiet -c constraints.txt --no-build-isolation -e ".[test,panel]"
	@touch $(READY)

# on the path before the environment's own, like Slicer's
$(SLICER)/.ready: .ci/slicer-pins.txt $(READY)
	rm -rf $(SLICER)
	$(PIP) install --quiet --no-deps --target $(SLICER) -r .ci/slicer-pins.txt
	@touch $@
