# isoforge: turns an official Ubuntu ISO and an inventory into one ISO that installs all hosts.
#
#   make demo     set up, and build an ISO of the example hosts on a synthetic base ISO
#   make test     set up, and run every test

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PYTHON ?= python3
VENV := .venv
ISOFORGE := $(VENV)/bin/isoforge
READY := $(VENV)/.ready
LOCKED := $(VENV)/.locked
DEMO_BASE := .cache/demo/ubuntu-24.04-live-server-amd64.iso
GENERATED := baremetal/autoinstall/generated

ENGINE ?= docker
HOST ?=
HOSTS ?=
ISO ?=
UBUNTU_ISO ?=
NAME ?=
DEFAULT_HOST ?=
GRUB_TIMEOUT ?=
RENDER ?=
PROFILE ?=
GROUP ?=
FACTS ?=
BENCH ?=

each_host = $(foreach host,$(HOSTS),--host '$(host)')
base_iso = $(if $(UBUNTU_ISO),--ubuntu-iso '$(UBUNTU_ISO)')
timeout = $(if $(GRUB_TIMEOUT),--grub-timeout '$(GRUB_TIMEOUT)')
rendered = $(if $(RENDER),--render)
needs = $(if $($(1)),,$(error $@ needs $(1)=…, see make help))

.PHONY: help
help:
	@echo 'make demo                 set up, and build an ISO of the example hosts on a synthetic base ISO'
	@echo 'make test                 set up, and run every test'
	@echo 'make setup                install xorriso and create the virtual environment'
	@echo
	@echo 'make baremetal/gen HOST=site-a-m710q1'
	@echo 'make baremetal/multiiso HOSTS="site-a-m710q1 site-a-m710q2" UBUNTU_ISO=files/….iso NAME=prod-2025-03 \'
	@echo '                        [DEFAULT_HOST=site-a-m710q1] [GRUB_TIMEOUT=15] [RENDER=1]'
	@echo 'make baremetal/fulliso HOST=… UBUNTU_ISO=…    build a hands-free ISO for one host'
	@echo 'make baremetal/seed HOST=…                    build the small CIDATA ISO of one host'
	@echo 'make baremetal/host-init HOST=… [PROFILE=…] [GROUP=…] [FACTS=FILE]'
	@echo '                                              add a host; FACTS is the output of isoforge discover'
	@echo 'make baremetal/list                           list the hosts of the inventory'
	@echo 'make baremetal/validate                       check the inventory, secrets and seeds'
	@echo 'make doctor                                   list what this machine lacks'
	@echo 'make baremetal/clean                          remove rendered seeds and ISOs'
	@echo
	@echo 'make docker/image             build the container image, which builds ISOs'
	@echo 'make docker/boot-test ISO=…   boot every entry of an ISO in QEMU, in a container'
	@echo
	@echo 'For contributors:'
	@echo 'make unit                 unit tests: under 30 s after setup, no system packages but python3-venv'
	@echo 'make check                lint and unit: run it before each commit'
	@echo 'make fuzz                 feed random broken images and texts to every reader, for minutes'
	@echo 'make format               format the Python code, and apply the safe fixes of ruff'
	@echo 'make lint                 style, types, import rules, shell scripts'
	@echo 'make unit-lowest          unit tests with the lowest versions of the dependencies that pyproject.toml allows'
	@echo 'make unit-newest          unit tests with the newest versions (as of the last make lock, or a fresh clone)'
	@echo 'make docs                 regenerate the reference pages: verbs, man page, inventory keys, problems'
	@echo 'make bench                measure builds on this machine, into docs/benchmarks.md; about ten minutes'
	@echo 'make lock                 update requirements*.lock from pyproject.toml'

# Setup: installs only what is missing. $(LOCKED) needs no system package but python3-venv, $(READY) also xorriso.

.PHONY: setup
setup: $(READY)

$(READY): requirements-dev.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh build
	@$(MAKE) --no-print-directory $(LOCKED)
	@touch $@

$(LOCKED): requirements-dev.lock pyproject.toml
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(VENV)/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

.PHONY: lock
lock: $(LOCKED)
	$(VENV)/bin/uv pip compile -q $(LOCK_OPTIONS) pyproject.toml -o requirements.lock
	$(VENV)/bin/uv pip compile -q $(LOCK_OPTIONS) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

LOCK_OPTIONS = --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-annotate --no-header --extra boot --extra secrets --upgrade

# The main job.

.PHONY: demo
demo: setup
	@scripts/setup.sh demo
	@$(ISOFORGE) synthetic-base $(DEMO_BASE)
	@$(ISOFORGE) multi --host site-a-m710q1 --host site-a-m710q2 --ubuntu-iso $(DEMO_BASE) --name demo --render
	@echo 'Next: put an official ISO into files/ and run'
	@echo '  make baremetal/multiiso HOSTS="site-a-m710q1 site-a-m710q2" NAME=my-fleet RENDER=1'

.PHONY: baremetal/gen
baremetal/gen: setup
	$(call needs,HOST)
	@$(ISOFORGE) gen --host '$(HOST)'

.PHONY: baremetal/multiiso
baremetal/multiiso: setup
	$(call needs,HOSTS)$(call needs,NAME)
	@$(ISOFORGE) multi $(each_host) $(base_iso) --name '$(NAME)' \
		$(if $(DEFAULT_HOST),--default-host '$(DEFAULT_HOST)') $(timeout) $(rendered)

.PHONY: baremetal/fulliso
baremetal/fulliso: setup
	$(call needs,HOST)
	@$(ISOFORGE) full --host '$(HOST)' $(base_iso) $(timeout) $(rendered)

.PHONY: baremetal/seed
baremetal/seed: setup
	$(call needs,HOST)
	@$(ISOFORGE) seed --host '$(HOST)' $(rendered)

.PHONY: baremetal/host-init
baremetal/host-init: setup
	$(call needs,HOST)
	@$(ISOFORGE) new-host '$(HOST)' $(if $(PROFILE),--profile '$(PROFILE)') $(if $(GROUP),--group '$(GROUP)') \
		$(if $(FACTS),--from-facts '$(FACTS)')

.PHONY: baremetal/list
baremetal/list: setup
	@$(ISOFORGE) hosts

.PHONY: baremetal/validate
baremetal/validate: setup
	@$(ISOFORGE) check

.PHONY: doctor
doctor: setup
	@$(ISOFORGE) doctor

.PHONY: baremetal/clean
baremetal/clean:
	rm -rf $(GENERATED)

# In a container, as the calling user; ENGINE=podman works too.

mounted = --rm --user "$$(id -u):$$(id -g)" -v "$$PWD:/work"

.PHONY: docker/image
docker/image:
	$(ENGINE) build -t isoforge .

.PHONY: docker/boot-test
docker/boot-test:
	$(call needs,ISO)
	$(ENGINE) build -t isoforge-boot --target boot .
	$(ENGINE) run $(mounted) isoforge-boot boot-test '$(ISO)'

.PHONY: docs
docs: $(LOCKED)
	PYTHONPATH=. $(VENV)/bin/python scripts/reference.py

# Tests.

.PHONY: lint
lint: $(LOCKED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@command -v shellcheck >/dev/null || { echo 'lint: shellcheck is not installed; run: scripts/setup.sh test' >&2; exit 1; }
	shellcheck scripts/*.sh templates/*.sh

.PHONY: format
format: $(LOCKED)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

.PHONY: unit
unit: $(LOCKED)
	$(VENV)/bin/pytest $(UNIT)

UNIT = -q -n auto tests/unit

.PHONY: check
check: lint unit

# Random inputs for every reader, 20 times as many as in a test run; what breaks one is printed, and tried first again.

.PHONY: fuzz
fuzz: setup
	@scripts/setup.sh demo
	$(VENV)/bin/pytest -q -n auto --hypothesis-profile fuzz tests/fuzz

# The unit tests with other releases of the dependencies than the locked ones, each in an environment of its own.

.PHONY: unit-lowest unit-newest
unit-lowest unit-newest: unit-%: $(VENV)/%/.ready
	$(VENV)/$*/bin/python -m pytest $(UNIT)

$(VENV)/lowest/.ready: resolution = lowest-direct
$(VENV)/newest/.ready: resolution = highest
$(VENV)/lowest/.ready $(VENV)/newest/.ready: requirements-dev.lock pyproject.toml | $(LOCKED)
	@rm -rf $(@D)
	@$(VENV)/bin/uv venv -q --python $(VENV)/bin/python $(@D)
	@$(VENV)/bin/uv pip install -q --python $(@D)/bin/python --resolution $(resolution) \
		--group unit --extra boot --extra secrets -r pyproject.toml
	@touch $@

.PHONY: bench
bench: setup
	@scripts/setup.sh demo
	@$(VENV)/bin/python -m scripts.bench --page docs/benchmarks.md $(BENCH)

.PHONY: test
test: setup
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory lint unit-lowest unit-newest
	$(VENV)/bin/pytest -n 2 --dist loadgroup --durations=20
