# docker build -t estado-eventos .      (o podman build --format docker -t estado-eventos .)
# Como base vale cualquiera con Python 3.11 o posterior y su módulo venv.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/build.txt requirements/run.txt requirements/
RUN python3 -m venv venv \
    && venv/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
# El entorno que se entrega no lleva pip.
RUN python3 -m venv --without-pip /opt/estado-eventos \
    && venv/bin/pip --python /opt/estado-eventos/bin/python install \
        --no-cache-dir --no-compile --require-hashes --requirement requirements/run.txt
COPY . .
RUN venv/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation . \
    && venv/bin/pip --python /opt/estado-eventos/bin/python install --no-cache-dir --no-compile --no-deps ./*.whl
# El bytecode no mira las fechas: sigue valiendo aunque alguien reescriba las de las capas.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/estado-eventos

FROM ${BASE}
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="estado-eventos" \
      org.opencontainers.image.description="Inicia y finaliza a su hora los eventos de EvalTech Administrador" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Las imágenes de Python vienen sin el bytecode de su biblioteca: sin él, cada pasada la compilaría entera.
RUN ["python3", "-c", "import compileall, py_compile, re, sysconfig; \
unused = re.compile('/(ensurepip|idlelib|lib2to3|pydoc_data|(site|dist)-packages|tests?|tkinter|turtledemo)/'); \
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH; \
compileall.compile_dir(sysconfig.get_path('stdlib'), rx=unused, quiet=2, invalidation_mode=mode)"]
RUN ["python3", "-c", "import os; state = '/var/lib/estado-eventos'; os.makedirs(state); os.chown(state, 65532, 65532)"]
COPY --from=build /opt/estado-eventos /opt/estado-eventos
# PYTHONDONTWRITEBYTECODE: quien lo ejecuta no puede escribir en la imagen, ni le hace falta.
ENV PATH=/opt/estado-eventos/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    CREDENTIALS_DIRECTORY=/run/secrets \
    TOKEN_CACHE_FILE=/var/lib/estado-eventos/token \
    REPORT_FILE=/var/lib/estado-eventos/report.json
VOLUME /var/lib/estado-eventos
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m --timeout=55s CMD ["estado-eventos", "health"]
ENTRYPOINT ["estado-eventos"]
CMD ["run-once"]
