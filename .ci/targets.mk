# make test | lint
# make slicer                             whether packages install into Slicer, and the core on its numpy and scipy
# make bench [COMPARE=1] [STORE=1] [MISSING=1]   how fast it is; against, or instead of, the figures in docs/performance.json;
#                                           only those that were never measured
# make extension OUT=folder [REPOSITORY=owner/SlicerMSLesionSeg]     what 3D Slicer's Extensions Index clones
PYTEST_ARGS ?= -n 2 --dist worksteal
SLICER := $(VENV)/slicer
ON_SLICERS_NUMPY := imaging/test_registration imaging/test_subtraction imaging/test_bias_field imaging/test_grid \
  lesions/test_components lesions/test_regions evaluation/test_metrics segmentation/test_segment \
  training/test_elastic_deformation synthesis/test_gadolinium_enhancement studies/test_similarity
REPOSITORY ?= OWNER/SlicerMSLesionSeg

.PHONY: test slicer bench lint extension

test: $(READY)
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest $(PYTEST_ARGS)

slicer: $(SLICER)/.ready
	PYTHONPATH=$(SLICER) $(RUN)/python .ci/slicer_packages.py
	PYTHONPATH=$(SLICER) OMP_NUM_THREADS=1 $(RUN)/python -m pytest $(PYTEST_ARGS) \
	  $(ON_SLICERS_NUMPY:%=Testing/Core/%.py)

bench: $(READY)
	$(RUN)/python Testing/benchmarks/compare.py $(if $(STORE),--store) $(if $(COMPARE),--strict) $(if $(MISSING),--missing)

lint: $(READY)
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy

extension:
	@test -n "$(OUT)" || { echo "Say where: make extension OUT=folder"; exit 1; }
	"$(PYTHON)" .ci/extension.py "$(OUT)" "$(REPOSITORY)"

# on the path before the environment's own, like Slicer's
$(SLICER)/.ready: .ci/slicer-pins.txt $(READY)
	rm -rf $(SLICER)
	$(PIP) install --quiet --no-deps --target $(SLICER) -r .ci/slicer-pins.txt
	@touch $@
