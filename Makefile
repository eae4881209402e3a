# make demo [FLAIR=scan.nii.gz] [OUT=folder]   segment a synthetic patient, or a scan of yours
# make test, lint, slicer, bench, extension    for developers: see .ci/targets.mk
#
# The first run makes .venv with the exact versions of constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(RUN)/python -m pip --disable-pip-version-check
TORCH := $(shell grep ^torch== constraints.txt)
OUT ?=

.PHONY: demo clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(RUN)/mslesionseg demo $(if $(FLAIR),--flair "$(FLAIR)") $(if $(OUT),-o "$(OUT)",-o demo --overwrite)

clean:
	rm -rf $(VENV) demo

# torch comes first and alone: whatever needs it later finds this build and does not bring another one. Where PyTorch's
# default would bring GPU packages to a computer without such a GPU, uv, which knows PyTorch's builds, chooses.
$(READY): constraints.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed."; exit 1; }
	test -x $(RUN)/python || "$(PYTHON)" -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt pip
	@if ! command -v nvidia-smi >/dev/null && $(PIP) install --dry-run $(TORCH) | grep -q "Would install.*nvidia"; then \
	  $(PIP) install --quiet -c constraints.txt uv; \
	  $(RUN)/uv pip install --quiet --python $(RUN)/python --torch-backend=auto -c constraints.txt $(TORCH) \
	    || echo "No smaller build of PyTorch could be had: its default comes, with several GB of GPU packages."; fi
	$(PIP) install --quiet -c constraints.txt $(TORCH)
	$(PIP) install --quiet -c constraints.txt setuptools
	$(PIP) install --quiet -c constraints.txt --no-build-isolation -e ".[test,panel]"
	@touch $(READY)

-include .ci/targets.mk
