# The image of sidestream: one binary, one configuration file, no shell.
#
#   docker build -t sidestream .
#   docker run --rm --stop-timeout 30 -p 8080:8080 -p 127.0.0.1:8081:8081 -p 127.0.0.1:9090:9090 sidestream
#
# `deploy/dockerfile_steps.py` runs the steps below, read from this file, where there is no Docker.

# ---- build -----------------------------------------------------------------------------------
# Both stages stand on Debian 12: the binary is linked against the builder's glibc and meets the
# same one when it runs.
FROM rust:1.95-bookworm AS build

# zlib-ng, which pingora links, is built with cmake.
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /build

# The release profile keeps line tables for profiling; the image does without.
ENV CARGO_PROFILE_RELEASE_DEBUG=none \
    CARGO_PROFILE_RELEASE_STRIP=debuginfo

# The dependencies first, in a layer that lasts until Cargo.toml or Cargo.lock changes: they are
# most of the build. Benches and tests stay out of the image, so their targets leave the manifest.
# The stub's own artefacts are removed, or cargo would take the real sources, which can be older
# than the stub's build, for built already.
COPY Cargo.toml Cargo.lock ./
RUN sed -i '/^\[\[\(bench\|test\|example\)\]\]/,/^[[:space:]]*$/d' Cargo.toml \
 && mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked --bin sidestream \
 && cargo clean --release --locked --package sidestream \
 && rm -r src

COPY config config
COPY src src
RUN cargo build --release --locked --bin sidestream

# ---- run -------------------------------------------------------------------------------------
# glibc, libgcc, certificates and time zones; no shell, no package manager, nothing set-uid.
FROM gcr.io/distroless/cc-debian12:nonroot

LABEL org.opencontainers.image.title="sidestream" \
      org.opencontainers.image.description="A sidecar and reverse proxy that turns webhooks into Server-Sent Events" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /build/target/release/sidestream /sidestream
COPY config/container.yaml /etc/sidestream/sidestream.yaml
ENV SIDESTREAM_CONFIG=/etc/sidestream/sidestream.yaml

# A number, so that Kubernetes can see that `runAsNonRoot` holds.
USER 65532:65532

# edge, ingress, admin
EXPOSE 8080 8081 9090

# The binary asks its own /readyz. Kubernetes ignores this and has probes of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/sidestream", "healthcheck"]

# SIGTERM, the default, drains; that takes up to `drain.timeout`, 25 s, so stop with a longer
# time-out than Docker's 10 s.
ENTRYPOINT ["/sidestream"]
