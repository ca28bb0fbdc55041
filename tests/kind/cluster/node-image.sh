#!/bin/bash
# Closed machine: the control-plane images FROM scratch, then the node image that holds them.
set -euo pipefail
. "$(dirname "$0")/env.sh"
stage=$KIND_CACHE/stage bin=$KIND_CACHE/stage/bin
docker image inspect "$NODE_IMAGE" >/dev/null 2>&1 && exit 0
rm -rf "$stage"/{kind,images,manifests,context}
mkdir -p "$stage"/{kind,images,manifests}
# kind's own entrypoint, units and containerd settings, straight from its module
files=$(go mod download -json "sigs.k8s.io/kind@$KIND_VERSION" | jq -r .Dir)/images/base/files
cp -r --no-preserve=mode,ownership "$files"/. "$stage/kind/"
find "$stage/kind" -type d -exec chmod 755 {} +
chmod 755 "$stage"/kind/usr/local/bin/* "$stage"/kind/kind/bin/*
rm -rf "$stage/kind/LICENSES" "$stage/kind/usr/local/bin/clean-install"
printf %s "$KUBE_VERSION" >"$stage/version"
tags=()
program_image() { # program_image TAG FROM DESTINATION ENTRYPOINT(JSON or '') FILES...
  local tag=$1 from=$2 destination=$3 entrypoint=$4 context=$stage/context; shift 4
  rm -rf "$context"; mkdir -p "$context/f"; ln "$@" "$context/f/"
  { echo "FROM $from"; echo "COPY f/ $destination"; [ -z "$entrypoint" ] || echo "ENTRYPOINT $entrypoint"; } >"$context/Dockerfile"
  docker build -q -t "$tag" "$context" >/dev/null
  tags+=("$tag"); rm -rf "$context"
}
docker build -q --network host --build-arg "BASE=$DEBIAN_IMAGE" -t local/netutils:1 - <"$here/node/netutils.Dockerfile" >/dev/null
install "$here/node/cni-agent.sh" "$bin/cni-agent.sh"
# exactly the names that this kubeadm will ask for
for image in $("$bin/kubeadm" config images list --kubernetes-version "$KUBE_VERSION"); do
  name=${image##*/}; name=${name%%:*}
  case $name in
    kube-proxy) program_image "$image" local/netutils:1 /usr/local/bin/ '' "$bin/kube-proxy" ;;
    coredns)    program_image "$image" scratch / '["/coredns"]' "$bin/coredns" ;;
    pause)      ;;   # another version than containerd's settings name; made below
    *)          program_image "$image" scratch /usr/local/bin/ "[\"/usr/local/bin/$name\"]" "$bin/$name" ;;
  esac
done
pause=$(sed -n 's/.*sandbox_image *= *"\(.*\)"/\1/p' "$stage/kind/etc/containerd/config.toml")
program_image "$pause" scratch / '["/pause"]' "$bin/pause"
program_image local/cni-agent:1 local/netutils:1 /usr/local/bin/ '["/usr/local/bin/cni-agent.sh"]' "$bin/cni-agent.sh" "$bin/kubectl"
# storage: the provisioner's own manifest with our image names, as the default class "standard", like stock kind
provisioner=$(cd "$here/go/localpath" && go list -m -f '{{.Dir}}' github.com/rancher/local-path-provisioner)
program_image local/local-path-provisioner:1 scratch /bin/ '["/bin/local-path-provisioner"]' "$bin/local-path-provisioner"
docker tag local/netutils:1 local/local-path-helper:1; tags+=(local/local-path-helper:1)
sed -e 's#image: rancher/local-path-provisioner:.*#image: local/local-path-provisioner:1#' \
    -e 's#image: busybox.*#image: local/local-path-helper:1#' \
    -e 's#/opt/local-path-provisioner#/var/local-path-provisioner#' \
    -e 's#^  name: local-path$#  name: standard\n  annotations: {storageclass.kubernetes.io/is-default-class: "true"}#' \
    -e 's#^      serviceAccountName: local-path.*#&\n      tolerations: [{operator: Exists, effect: NoSchedule}]#' \
    "$provisioner/deploy/local-path-storage.yaml" >"$stage/manifests/default-storage.yaml"
cp "$here/node/default-cni.yaml" "$stage/manifests/"
docker save -o "$stage/images/all.tar" "${tags[@]}"
printf 'bin/%s\n' kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd coredns pause local-path-provisioner cni-agent.sh >"$stage/.dockerignore"
cp "$here/node/Dockerfile" "$stage/Dockerfile"
docker build --network host --build-arg "BASE=$DEBIAN_IMAGE" -t "$NODE_IMAGE" "$stage" >"$KIND_CACHE/node-image.log"
rm -f "$stage/images/all.tar"
