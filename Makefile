# make demo [FLAIR=scan.nii.gz] [OUT=folder]   segment a synthetic patient, or a scan of yours
# make test | lint
# make bench [COMPARE=1] [STORE=1]        how fast it is; against, or instead of, the figures in docs/performance.json
#
# The first run makes .venv with the exact versions of constraints.txt. On a computer without an NVIDIA GPU set
# TORCH_INDEX_URL to the package index of PyTorch's CPU builds; PyTorch's own "Get Started" page names it.
TORCH_INDEX_URL ?=
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin
READY := $(VENV)/.ready
INSTALL_TORCH = $(RUN)/pip --disable-pip-version-check install \
	$(if $(TORCH_INDEX_URL),--index-url "$(TORCH_INDEX_URL)") $(shell grep ^torch== constraints.txt)
ALLOW_CUDA ?=
OUT ?=
PYTEST_ARGS ?= -n 2 --dist worksteal

.PHONY: demo test bench lint clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(RUN)/mslesionseg demo $(if $(FLAIR),--flair "$(FLAIR)") $(if $(OUT),-o "$(OUT)",-o demo --overwrite)

test: $(READY)
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest $(PYTEST_ARGS)

bench: $(READY)
	$(RUN)/python Testing/benchmarks/bench.py
	OMP_NUM_THREADS=1 $(RUN)/python Testing/benchmarks/compare.py $(if $(STORE),--store) $(if $(COMPARE),--strict)

lint: $(READY)
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .

clean:
	rm -rf $(VENV) demo

# torch comes first and alone: whatever needs it later finds this build and does not bring another one
$(READY): constraints.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed."; exit 1; }
	test -x $(RUN)/python || "$(PYTHON)" -m venv $(VENV)
	@if [ -z "$(ALLOW_CUDA)" ] && ! command -v nvidia-smi >/dev/null \
	    && $(INSTALL_TORCH) --dry-run | grep -q "Would install.*nvidia"; then \
	  echo "PyTorch's default build would bring several GB of NVIDIA packages to a computer without such a GPU."; \
	  echo "Set TORCH_INDEX_URL to the index of the CPU builds, which PyTorch's 'Get Started' page names:"; \
	  echo "  make TORCH_INDEX_URL=... $(MAKECMDGOALS)      (or ALLOW_CUDA=1 to take the default build)"; exit 1; fi
	$(INSTALL_TORCH) --quiet
	$(RUN)/pip install --quiet -c constraints.txt setuptools
	$(RUN)/pip install --quiet -c constraints.txt --no-build-isolation -e ".[test,panel]"
	@touch $(READY)
