"""Listens where systemd would, on the socket that is named, and prints what comes, an assignment a line."""

import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print("listening", flush=True)
while True:
    message, descriptors, _flags, _sender = socket.recv_fds(listener, 65536, 8)
    # Whoever sends BARRIER=1 waits until this end of it is closed.
    for descriptor in descriptors:
        os.close(descriptor)
    for assignment in message.decode().split("\n"):
        print(assignment, flush=True)
