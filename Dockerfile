# isoforge as a container image: docker run --rm -v "$PWD:/work" isoforge multi …
#
#   docker build -t isoforge .                        builds, checks and verifies ISOs
#   docker build -t isoforge-boot --target boot .     also boots them: the same with QEMU and firmware (make docker/boot-test)
#
# Python, xorriso, age and gpgv come from Debian; isoforge and its locked dependencies are in a virtual environment.

FROM debian:trixie-slim AS build
# A file with additional CA certificates for pip, for networks with a TLS-inspecting proxy.
ARG PIP_CERT
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /src/
RUN python3 -m venv /opt/isoforge \
    && /opt/isoforge/bin/pip install --no-cache-dir --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY docs/isoforge.1 /src/docs/
COPY isoforge /src/isoforge
COPY templates /src/templates
COPY baremetal/inventory /src/baremetal/inventory
RUN /opt/isoforge/bin/pip install --no-cache-dir --no-deps /src \
    && /opt/isoforge/bin/pip uninstall -y pip

FROM debian:trixie-slim AS tool
RUN apt-get update \
    && apt-get install -y --no-install-recommends age ca-certificates git gpgv openssh-client python3 xorriso \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home isoforge \
    && install -d -o isoforge -g isoforge /work
COPY --from=build /opt/isoforge /opt/isoforge
ENV PATH=/opt/isoforge/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
USER isoforge
WORKDIR /work
ENTRYPOINT ["isoforge"]
CMD ["--help"]

FROM tool AS boot
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends busybox-static ovmf qemu-system-x86 \
    && rm -rf /var/lib/apt/lists/*
USER isoforge

# The default target: without QEMU.
FROM tool
