# One file for every binary: the workspace is compiled once, then each image takes its own binary.
#
#   docker build --build-arg BIN=quickbite-order -t quickbite.dev/order:0.1.0 .
#
# Needs BuildKit (cache mounts). The two base images are arguments, so that a mirror or a local stand-in can be named.
ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
# The file asks rustup for components that a build does not need.
RUN rm -f rust-toolchain.toml
# The registry and the target folder are kept between builds, so that only what changed is compiled. A cargo
# configuration of the building machine (a mirror, a proxy) can be lent as a secret; it does not get into any layer.
# Folders and times are set to the same at each build: a binary that did not change makes a layer that did not change,
# and the local cluster restarts only what did.
RUN --mount=type=cache,sharing=locked,id=quickbite-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,sharing=locked,id=quickbite-target,target=/src/target \
    --mount=type=secret,id=cargo-config,target=/usr/local/cargo/config.toml \
    cargo build --release --locked --workspace --bins \
    && for path in target/release/quickbite-*; do \
         name=${path##*/}; \
         case "$name" in *.*) continue ;; esac; \
         install -D -m 755 "$path" "/out/$name/usr/local/bin/$name"; \
         ln -s "$name" "/out/$name/usr/local/bin/app"; \
       done \
    && find /out -exec touch --no-dereference --date=@0 {} +

# The programs that are run from outside the cluster, for `docker build --target tools --output FOLDER`.
FROM scratch AS tools
COPY --from=build /out/quickbite-demo/usr/local/bin/quickbite-demo /

FROM ${RUNTIME_IMAGE}
# Declared here and not above: all images share the stage that compiles.
ARG BIN
ARG VERSION=0.0.0
ARG REVISION=unknown
COPY --from=build /out/${BIN}/ /
USER 65532:65532
# Memory that is free goes back to the kernel at once, and not in pages of 2 MiB: user-service idles at 28 MB instead
# of 62 after password hashing.
ENV MIMALLOC_PURGE_DELAY=0 MIMALLOC_ALLOW_THP=0
LABEL org.opencontainers.image.title="${BIN}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="https://github.com/quickbite/quickbite" \
      org.opencontainers.image.licenses="Apache-2.0"
# By the binary itself: there is no shell and no curl in the image. Kubernetes has probes of its own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 CMD ["/usr/local/bin/app", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/app"]
