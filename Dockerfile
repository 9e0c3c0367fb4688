# Give BASE with a digest (debian:12-slim@sha256:...) for builds that are the same on every day; a tag moves.
# Both stages must be the same release of Debian: the virtual environment leads to its Python.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
SHELL ["/bin/sh", "-eu", "-c"]
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends \
      clang libbpf-dev llvm make python3 python3-pip python3-venv && \
    rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make --directory bpf
RUN python3 -m venv --without-pip /opt/net-exporter && \
    python3 -m pip --python /opt/net-exporter/bin/python install --no-cache-dir /src && \
    find /opt/net-exporter -name tests -type d -prune -exec rm -rf {} +

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libbpf1 python3-minimal libpython3-stdlib && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/net-exporter /opt/net-exporter
ENV PATH=/opt/net-exporter/bin:$PATH PYTHONDONTWRITEBYTECODE=1
EXPOSE 9102 19102
# Root, as only root is given capabilities; which ones, the pod says, and the exporter keeps fewer.
HEALTHCHECK NONE
ENTRYPOINT ["net-exporter"]
CMD ["run"]
