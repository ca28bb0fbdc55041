"""Names and addresses on the network, as the operating system has them now."""

import fcntl
import socket
import struct

# <bits/ioctls.h>: the IPv4 address of an interface.
SIOCGIFADDR = 0x8915
CONNECT_S = 5.0


def resolve(name: str) -> list[str]:
    """The addresses of a name; none where it does not resolve (yet)."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return sorted({str(entry[4][0]) for entry in found})


def is_local(address: str) -> bool:
    """Whether this machine has the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def reachable(address: str, port: int) -> bool:
    """Whether something accepts connections there."""
    return why_unreachable(address, port) == ""


def why_unreachable(address: str, port: int) -> str:
    """The operating system's reason why nothing accepts connections there, or ""."""
    try:
        socket.create_connection((address, port), CONNECT_S).close()
    except OSError as error:
        return error.strerror or "no answer"
    return ""


def interface_towards(address: str) -> str | None:
    """The network interface from which this machine would reach an IPv4 address or name."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            own = probe.getsockname()[0]
            for _, name in socket.if_nameindex():
                request = struct.pack("256s", name.encode()[:15])
                try:
                    answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, request)
                except OSError:
                    continue
                if socket.inet_ntoa(answer[20:24]) == own:
                    return name
    except OSError:
        return None
    return None
