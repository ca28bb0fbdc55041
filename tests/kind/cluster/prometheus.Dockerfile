# A real Prometheus for the scrape test on a closed machine: Debian's.
ARG BASE
FROM ${BASE}
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends prometheus \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc /usr/share/man
USER 65532:65532
ENTRYPOINT ["/usr/bin/prometheus"]
