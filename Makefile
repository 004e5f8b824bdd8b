# make demo: from nothing to figure 4 on drawn street scenes.   make test: the test suite.   make help: the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
MINUTES ?= 60
N ?= 2000
CAMVID ?= CamVid
QPS := $(foreach qp,20 25 30 35 40 45,--qp $(qp))

.PHONY: help demo test test-all lint docs dist fuzz soak figures train ablations clean

help:
	@grep -E '^# make|^## ' $(MAKEFILE_LIST) | sed 's/^## /make /'

# The environment, made anew when the dependencies change: what a run needs; what the tests need beside it.
$(VENV)/core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed: $(VENV)/core
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/docs: $(VENV)/core
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

## demo      install, run the workflow on eight drawn street scenes, say where the figure is
demo: $(VENV)/core
	@$(BIN)/spic run --cores 2
	@echo
	@echo "Open in a browser:                      results/demo/report.html and results/demo/gallery/index.html"
	@echo "Figure 4 of the paper on drawn streets: results/demo/figures/figure4a.png and figure4b.png"
	@echo "Pictures rebuilt by SPIC:               results/demo/spic/coarse_qp35/0000/decoded/"
	@echo "Their originals:                        results/demo/originals/0000/pictures/"
	@echo "All numbers:                            results/demo/tables/points.csv"

## test      the tests, in under 10 minutes on 2 cores
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not gpu and not slurm"

## test-all  slow ones too
test-all: $(VENV)/installed
	$(BIN)/python -m pytest

## lint      ruff, snakefmt, snakemake --lint
lint: $(VENV)/installed
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	snakemake --lint

## docs      the docs as a site, in site/; draws the rule graph anew, stops at a dead link
docs: $(VENV)/docs
	$(BIN)/python docs/rulegraph.py --write
	$(BIN)/python docs/tables.py --write
	$(BIN)/mkdocs build --quiet --strict

## dist      wheel and sdist, in dist/
dist: $(VENV)/installed
	rm -rf dist
	$(BIN)/hatchling build

## fuzz      damaged bytes into every decoder: N=cases
fuzz: $(VENV)/installed
	$(BIN)/python tests/fuzz.py $(N)

## soak      kill the workflow N=50 times at random and compare its tables
soak: N := $(if $(filter command line,$(origin N)),$(N),50)
soak: $(VENV)/installed
	$(BIN)/python tests/soak.py $(N)

## figures   figures 2, 3, 4a, 4b and all tables, on drawn streets and on CamVid's validation clip: CAMVID=folder
figures: $(VENV)/core
	$(BIN)/spic run --cores 2
	$(BIN)/spic run --cores 2 --configfile config/camvid.yaml --config dataset_root=$(CAMVID)

## train     train segmenter, judge and decoder (two stages, and its coarse image between them) anew, MINUTES=60 each, on CamVid's training split and scenes: CAMVID=folder VGG=file
TRAIN = $(BIN)/spic train
APART = --leave-out 0001TP
HOW = --minutes $(MINUTES) $(APART)
MAPS = --ssm runs/segmenter/street-segmenter
JUDGE = --scene-share 0.06 --lights 0.7
SECOND = $(TRAIN) adversarial runs/train.zip
RESTORE = $(TRAIN) restore runs/train.zip
SOME = --steps 2500 $(APART)
COPIES = --copies 10
LOOKS = $(if $(VGG),--vgg $(VGG))
ONE_STEP = --t-focus 0.9 --sampling-steps 1 --start 200
train: $(VENV)/core
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train]'
	test -e runs/train.zip || $(TRAIN) pack runs/train.zip --root $(CAMVID) --scenes 400 $(QPS)
	$(TRAIN) segmenter runs/train.zip runs/segmenter $(HOW) --network pyramid --scene-share 0.15 --mirrored --potts 8 --seed 1
	$(TRAIN) segmenter runs/train.zip runs/judge $(HOW) --network dense $(JUDGE) --seed 5
	$(TRAIN) decoder runs/train.zip runs/decoder $(HOW) $(MAPS) $(ONE_STEP)
	$(RESTORE) runs/restore $(SOME) $(MAPS) --init runs/decoder/street-decoder
	$(SECOND) runs/adversarial $(HOW) $(MAPS) $(LOOKS) $(COPIES) --init runs/restore/street-decoder

## ablations train the decoders of the methods sr and sdm after that, MINUTES=60 per stage, to go into runs/sr and runs/sdm
ablations: $(VENV)/core
	$(TRAIN) decoder runs/train.zip runs/sr-first $(HOW) $(MAPS) --condition coarse --init runs/decoder/street-decoder $(ONE_STEP)
	$(RESTORE) runs/sr-restore $(SOME) $(MAPS) --init runs/sr-first/street-decoder
	$(SECOND) runs/sr $(HOW) $(MAPS) $(LOOKS) $(COPIES) --init runs/sr-restore/street-decoder
	$(TRAIN) decoder runs/train.zip runs/sdm-first $(HOW) $(MAPS) --condition ssm --init runs/decoder/street-decoder --t-focus 0.2
	$(SECOND) runs/sdm $(HOW) $(MAPS) $(LOOKS) --condition ssm --init runs/sdm-first/street-decoder

## clean     remove what runs made, neither the environment nor results/published
clean:
	find results -mindepth 1 -maxdepth 1 ! -name published ! -name README.md -exec rm -rf {} +
	rm -rf site dist .snakemake .pytest_cache .ruff_cache
