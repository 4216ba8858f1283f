# Everything a user types. `make demo` and `make test` make .venv themselves; `make .venv` is a target of its own.
PYTHON ?= python3
BIN := .venv/bin
SUBJECT := miniature/subject
DEMO := runs/demo
FIGURES := $(wildcard benchmarks/*.py benchmarks/before_training/*.py benchmarks/voters/*.py)
# Two busy cores lose several times over when OpenMP's threads spin instead of sleeping.
export OMP_WAIT_POLICY := passive
export PYTHONUNBUFFERED := 1
# Where an environment forbids it, as images for containers do, each process compiles torch and diffusers anew: half a minute.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test studio bench mutants torture transcript browser lint docs languages clean

.venv: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	touch .venv

demo: .venv
	$(BIN)/python -m trainer run $(SUBJECT)/train.toml
	$(BIN)/python -m eval grid $(SUBJECT)/grid.toml
	$(BIN)/python -m eval rank $(DEMO)/eval
	$(BIN)/python -m eval report $(DEMO)/eval -o $(DEMO)/report.html
	$(BIN)/python -m eval export $(DEMO)/eval --cell best -o $(DEMO)/best.safetensors
	@echo 'The report: $(DEMO)/report.html. The LoRA to use: $(DEMO)/best.safetensors. To look around: make studio'

test: .venv
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -n auto --dist loadfile --no-loadscope-reorder

# The first evening with an own subject, at the full width of SD1.5: minutes, and 2 GB of disk.
transcript: .venv
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest tests/house/test_first_evening.py -m transcript

# Whole journeys of the studio in Debian's Chromium, those that train and draw a grid as well. See docs/studio.md.
browser: .venv
	command -v chromedriver >/dev/null || ! command -v apt-get >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium chromium-driver)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/studio/journeys -m 'journey or not journey'

studio: .venv
	$(BIN)/streamlit run studio

bench: .venv
	for script in $(FIGURES); do $(BIN)/python $$script || exit 1; done

mutants: .venv
	$(BIN)/python benchmarks/mutants

# Kills, full disks, many at once, broken files: hours on two cores; it goes on where it was stopped. See docs/reliability.md.
torture: .venv
	$(BIN)/python benchmarks/torture

# docs/keys.md and docs/schema/, from the configurations' own types.
docs: .venv
	$(BIN)/python -m eval.reference

# What the studio says, into its catalogues: new words without a translation, which tests then name.
languages: .venv
	$(BIN)/python -m studio.languages.extraction

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

clean:
	rm -rf .venv runs
