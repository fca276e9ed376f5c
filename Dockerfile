# insight-bridge as a static program in an image that holds nothing else.
#
#   docker build -t insight-bridge .
#   docker run --init -v insight-bridge:/state -v ./insight-bridge.toml:/etc/insight-bridge.toml:ro -v ./secrets:/run/secrets:ro insight-bridge

FROM rust:1.95-alpine AS build
# SQLite, the TLS library and the allocator are C.
RUN apk add --no-cache build-base
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --features jemalloc --bin insight-bridge \
    && install -D target/dist/insight-bridge /image/usr/local/bin/insight-bridge \
    && install -d -o 10001 -g 10001 -m 0700 /image/state

FROM scratch
# The certificates of the authorities that both vendors use.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /image/ /
# The state belongs to a user without a name.
COPY --from=build --chown=10001:10001 /image/state /state
USER 10001:10001
# A relative state.url, and the control socket beside it, are here.
WORKDIR /state
VOLUME /state
ENV INSIGHT_BRIDGE_CONFIG=/etc/insight-bridge.toml
# Calls in flight end within 25 seconds: docker stop --time 30.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/usr/local/bin/insight-bridge", "health"]
ENTRYPOINT ["/usr/local/bin/insight-bridge"]
CMD ["serve"]
