# Todo lo necesario se instala en .venv: basta con Python 3.11 y su módulo venv, make y git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.listo
BENCH := build/bench
LOWEST := build/lowest
KUBERNETES := $(VENV)/.kubernetes

# Debian parte Python en paquetes, y sin ensurepip `venv` deja un entorno a medias y acaba mal.
NEW_VENV = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo 'Hace falta Python 3.11 o posterior. Si no es «$(PYTHON)»: make PYTHON=…' >&2; exit 1; }; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo 'A $(PYTHON) le falta el módulo venv. En Debian, como root: apt install python3-venv' >&2; exit 1; }; \
	$(PYTHON) -m venv --clear

# Donde se prohíbe guardar lo compilado, cada proceso de las pruebas lo compilaría todo otra vez.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo simulate test test-lowest e2e image bench pictures dashboard reference audit dist check lint types layers lock clean

demo: $(READY)
	$(BIN)/python -m tools.demo

# Con COVERAGE=1 mide además qué parte de src ejecutan, en este proceso y en los que arrancan, exige el 95 % y pasa las
# lentas: es lo que hace la integración continua.
FAST := -n 6 --dist worksteal -m "not e2e and not slow"
test: $(READY) $(if $(COVERAGE),$(KUBERNETES))
ifdef COVERAGE
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(FAST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/pytest -n 4 --dist worksteal -m "slow and not e2e"
else
	$(BIN)/pytest $(FAST)
endif

# Pasadas de verdad en mundos simulados, en tiempo virtual: WORLDS=n mundos, o SEED=n para ver uno entero.
WORLDS ?= 1000
simulate: $(READY)
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--worlds $(WORLDS) $(if $(SECONDS),--seconds $(SECONDS)))

# Lo mismo, menos lo del proyecto, con lo más viejo de cada dependencia que admite pyproject.toml.
test-lowest: $(LOWEST)/.listo
	$(LOWEST)/bin/pytest $(FAST) tests/backend tests/cli tests/config tests/monitoring tests/output tests/reconcile

# systemd, cron y la imagen de verdad, en contenedores; hace falta ser root. Casi todo es esperar al minuto: cuatro a la vez,
# y en el orden en que están, que empieza por lo más largo.
e2e: $(READY)
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder -m e2e tests/e2e

# Lo que el programa promete, medido; lo del temporizador necesita ser root. Con KEEP=1 deja la tabla en
# docs/rendimiento.md; con PARTS="quiet flood" mide solo eso.
bench: $(READY) $(BENCH)/program/.listo $(BENCH)/resident/.listo
	$(BIN)/python -m tests.benchmarks $(PARTS) $(if $(KEEP),--keep)

# El programa sin nada más al lado, como lo deja pipx: lo que hay instalado cambia lo que tarda en arrancar.
$(BENCH)/program/.listo: $(READY) requirements/run.txt $(shell find src -type f -not -name '*.pyc')
	@$(NEW_VENV) $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w $(@D) .
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps $(@D)/*.whl
	touch $@

$(BENCH)/resident/.listo: requirements/bench.txt
	@$(NEW_VENV) $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	touch $@

# La imagen de contenedor; con ENGINE=podman, la hace Podman.
ENGINE ?= docker
image: VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/estado_eventos/__init__.py)
image:
	BUILDAH_FORMAT=docker $(ENGINE) build --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null) \
		--tag estado-eventos:$(VERSION) --tag estado-eventos:latest .

# Las imágenes de la documentación, hechas con el programa de verdad.
pictures: $(READY)
	$(BIN)/python -m tools.pictures

# El tablero de Grafana.
dashboard: $(READY)
	$(BIN)/python -m tools.dashboard

# La referencia de docs/mandatos.md y la página de man, hechas con lo que contesta --help.
reference: $(READY)
	$(BIN)/python -m tools.reference

check: lint types layers test

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

# Vulnerabilidades conocidas de lo que está fijado; si no se puede saber, lo dice.
audit: $(READY)
	$(BIN)/python -m tools.audit

# La rueda y el sdist de lo confirmado en git, en dist/, y las pruebas contra la rueda instalada, sin las fuentes.
dist: $(READY)
	$(BIN)/python -m tools.dist --test $(FAST) $(DIST_TESTS)

lock: $(READY)
	$(BIN)/uv pip compile $(LOCK) -o requirements/run.txt pyproject.toml
	sed -nE 's/^([a-z0-9].*[^ ]) \\$$/\1/p' requirements/run.txt > requirements/constraints.txt
	$(BIN)/uv pip compile $(LOCK) --resolution lowest-direct -o requirements/lowest.txt pyproject.toml
	$(BIN)/uv pip compile $(LOCK) -c requirements/run.txt -o requirements/dev.txt pyproject.toml requirements/dev.in
	$(BIN)/uv pip compile $(LOCK) -c requirements/dev.txt -o requirements/build.txt requirements/build.in
	$(BIN)/uv pip compile $(LOCK) -c requirements/run.txt -o requirements/e2e.txt requirements/e2e.in
	$(BIN)/uv pip compile $(LOCK) -c requirements/run.txt -o requirements/bench.txt requirements/bench.in
	$(BIN)/uv pip compile $(LOCK) -c requirements/dev.txt -o requirements/kubernetes.txt requirements/kubernetes.in

# Con UPGRADE= deja lo ya fijado como está y solo añade o quita lo que haga falta.
UPGRADE ?= --upgrade
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(UPGRADE)

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): requirements/dev.txt pyproject.toml
	@# El que se quedó a medias no tiene pip, ni lo tendrá por repetirlo.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(NEW_VENV) $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(LOWEST)/.listo: requirements/dev.txt requirements/lowest.txt pyproject.toml
	@$(NEW_VENV) $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/lowest.txt
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-compile --no-deps --no-build-isolation --editable .
	touch $@

# Los esquemas de Kubernetes y kubectl, para comprobar los manifiestos.
$(KUBERNETES): requirements/kubernetes.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/kubernetes.txt
	touch $@
