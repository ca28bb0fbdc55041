#!/bin/bash
# OCI runtime of our own daemon. A privileged container asks for every capability that the kernel knows,
# and runc fails where the machine's own bounding set lacks CAP_SYS_RESOURCE. There, that one is taken
# out of the request: fewer rights, never more.
bounding=$(awk '/^CapBnd/{print $2}' /proc/self/status)
if (( ! (16#$bounding >> 24 & 1) )); then
  previous=
  for argument in "$@"; do
    case $previous in
      --bundle|-b)  file=$argument/config.json query='.process.capabilities' ;;
      --process|-p) file=$argument query='.capabilities' ;;
      *) file= ;;
    esac
    if [ -n "$file" ] && [ -f "$file" ]; then
      json=$(jq -c "if $query then $query |= map_values(map(select(. != \"CAP_SYS_RESOURCE\"))) else . end" "$file") &&
        printf %s "$json" >"$file"
    fi
    previous=$argument
  done
fi
exec runc "$@"
