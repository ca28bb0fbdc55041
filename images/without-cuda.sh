#!/bin/sh
# without-cuda.sh SITE_PACKAGES: takes the CUDA libraries out of an installed torch, for machines that have
# no GPU and little disk (4 GB less). torch links some of them, and so they must load: they are replaced
# by libraries of the same name, with the same symbols, whose functions all abort. Without a GPU nothing
# calls them; the CUDA runtime itself stays, and says that there is no device.
set -eu
cd "$1"
rm -rf triton torch/include torch/share nvidia/*/include nvidia/*/cccl
find nvidia \( -name '*.a' -o -name '*.bc' -o -name '*.ltoir' \) -delete
rm -f nvidia/cudnn/lib/libcudnn_* nvidia/nvshmem/lib/nvshmem_* nvidia/cu13/lib/libcusolver* \
  nvidia/cu13/lib/libnvperf* nvidia/cu13/lib/libnvrtc-builtins*
work=$(mktemp -d)
find nvidia -name '*.so*' -size +10M ! -name 'libnvshmem_host*' | while read -r library; do
  nm -D --defined-only "$library" | awk '$3 !~ /^[A-Za-z_][A-Za-z0-9_]*(@|$)/ { next } { print $3 }' |
    tr -s @ ' ' | sort -u >"$work/symbols"
  awk '!seen[$1]++ { printf ".globl %s\n.type %s, @function\n%s:\n", $1, $1, $1 } END { print "ud2" }' "$work/symbols" >"$work/stub.s"
  awk '$2 != "" && $1 != $2 { names[$2] = names[$2] $1 "; " } END { for (v in names) print v " { global: " names[v] "};" }' \
    "$work/symbols" >"$work/stub.map"
  rm "$library"
  versions=; [ ! -s "$work/stub.map" ] || versions=-Wl,--version-script=$work/stub.map
  gcc -shared -nostdlib -Wl,-soname,"$(basename "$library")" $versions -o "$library" -x assembler "$work/stub.s"
done
rm -rf "$work"
