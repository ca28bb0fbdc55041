#!/bin/bash
# Closed machine: every binary from Go modules (cold 15-25 min on two busy cores, warm seconds). Each
# folder under go/ is a module of its own with pinned versions and checksums, so that their dependency
# graphs do not mix.
set -euo pipefail
. "$(dirname "$0")/env.sh"
out=$KIND_CACHE/stage/bin
mkdir -p "$out"
export CGO_ENABLED=0 GOFLAGS="-buildvcs=false -trimpath"
minor=${KUBE_VERSION#v1.}; minor=${minor%%.*}
version=k8s.io/component-base/version
kube_ld="-s -w -X $version.gitVersion=$KUBE_VERSION -X $version.gitMajor=1 -X $version.gitMinor=$minor \
-X $version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$KUBE_VERSION"
timed() { local start=$SECONDS name=$1; shift; "$@"; echo "$name: $((SECONDS - start)) s"; }
build() { # build FOLDER OUTPUT ARGUMENTS...: nothing to do where the output is newer than the pins
  local folder=$1 output=$2; shift 2
  [ "$output" -nt "$here/go/$folder/go.mod" ] && return
  ( cd "$here/go/$folder" && nice -n 5 go build "$@" && touch "$output" )
}
timed kubernetes build kubernetes "$out/kubectl" -ldflags "$kube_ld" -o "$out/" \
  k8s.io/kubernetes/cmd/{kubeadm,kubelet,kubectl,kube-apiserver,kube-controller-manager,kube-scheduler,kube-proxy}
timed etcd build etcd "$out/etcd" -ldflags "-s -w" -o "$out/etcd" go.etcd.io/etcd/server/v3
timed coredns build coredns "$out/coredns" -ldflags "-s -w" -o "$out/coredns" github.com/coredns/coredns
# the snapshotters that kind never uses are left out: they need C libraries
containerd=$(cd "$here/go/containerd" && go list -m -f '{{.Version}}' github.com/containerd/containerd/v2)
timed containerd build containerd "$out/containerd" -tags "no_btrfs no_devmapper no_zfs" \
  -ldflags "-s -w -X github.com/containerd/containerd/v2/version.Version=$containerd" -o "$out/" \
  github.com/containerd/containerd/v2/cmd/{containerd,ctr,containerd-shim-runc-v2}
timed local-path build localpath "$out/local-path-provisioner" -ldflags "-s -w" -o "$out/local-path-provisioner" \
  github.com/rancher/local-path-provisioner
timed pause build pause "$out/pause" -ldflags "-s -w" -o "$out/pause" .
[ -x "$KIND_BIN/kind" ] || timed kind env GOBIN="$KIND_BIN" nice -n 5 go install "sigs.k8s.io/kind@$KIND_VERSION"
install "$out/kubectl" "$KIND_BIN/kubectl"
