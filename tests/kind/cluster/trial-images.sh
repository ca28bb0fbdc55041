#!/bin/bash
# The images that values-kind.yaml names: model-server and training without CUDA's libraries and with the
# small real model, as VERSION-trial; the S3 server; and Prometheus for the suite.
set -euo pipefail
. "$(dirname "$0")/env.sh"
TORCH_VARIANT=cpu "$images/build.sh" "$version-cpu"
for name in model-server training; do
  start=$SECONDS image=selfalign/$name:$version-trial
  printf 'FROM selfalign/%s:%s\nCOPY . /models/smollm2-135m\n' "$name" "$version-cpu" |
    docker build -q -f - -t "$image" "$root/.cache/models/smollm2-135m" >/dev/null
  report_image "$image" "$start"
done
if [ "$NO_REGISTRY" = 1 ]; then
  context=$KIND_CACHE/versitygw; mkdir -p "$context"
  # without cgo it needs nothing but itself
  [ -x "$context/versitygw" ] || CGO_ENABLED=0 GOBIN="$context" nice -n 5 go install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW_VERSION"
  printf 'FROM scratch\nCOPY versitygw /usr/local/bin/\nENTRYPOINT ["/usr/local/bin/versitygw"]\n' >"$context/Dockerfile"
  docker build -q -t "$VERSITYGW_IMAGE" "$context" >/dev/null
  docker build -q --network host --build-arg "BASE=$DEBIAN_IMAGE" -t "$PROMETHEUS_IMAGE" - <"$here/prometheus.Dockerfile" >/dev/null
else
  docker pull -q "$VERSITYGW_IMAGE"; docker pull -q "$PROMETHEUS_IMAGE"
fi
