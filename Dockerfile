# The broker with its embedded default: one process, one volume. Put TLS in front of it.
#
#   docker run --read-only --tmpfs /tmp -p 8000:8000 -v concordat:/var/lib/concordat concordat

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# Locks first: the layers above the code change only when a lock does. The environment gets no pip.
COPY requirements/ requirements/
RUN python -m venv --without-pip /opt/concordat \
 && python -m pip --python /opt/concordat install --require-hashes --no-deps -r requirements/service.txt \
 && python -m pip install --require-hashes --no-deps -r requirements/build.txt
COPY . .
RUN python -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /dist . \
 && python -m pip --python /opt/concordat install --no-index --no-deps /dist/*.whl

FROM python:3.13-slim
# Byte code was compiled above: a read-only root file system loses nothing.
ENV PATH=/opt/concordat/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Keys and records lie in the volume; nobody but the broker's own user may look in.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin concordat \
 && install --directory --owner concordat --group concordat --mode 0700 /var/lib/concordat
COPY --from=build /opt/concordat /opt/concordat
USER 10001
WORKDIR /var/lib/concordat
VOLUME /var/lib/concordat
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["concordat", "serve", "--host", "0.0.0.0", "--state", "/var/lib/concordat"]
