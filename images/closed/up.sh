#!/bin/bash
# What a machine without an image registry needs before it can build images: as root, Debian's packages, a
# docker daemon, and the base images. What is there already is left as it is.
set -euo pipefail
here=$(dirname "$0")
"$here/packages.sh"
"$here/daemon-up.sh"
"$here/base-images.sh"
