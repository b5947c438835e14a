"""A served card: the program that serves it, and its connection (framing: apdu/src/frame.rs)."""

import socket
import subprocess

OFF, ON, RESET = 0x00, 0x01, 0x02


class Server:
    """A program that prints `listening on HOST:PORT` and serves one card there."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "listening on " in line:
                host, port = line.split("listening on ")[1].strip().rsplit(":", 1)
                self.address = host, int(port)
                return
        raise SystemExit(f"learn: {command[0]} serves nothing")

    def __enter__(self):
        return Card(self.address)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Card:
    """The driver's side of a connection."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.exchanges = 0

    def control(self, *codes):
        self.socket.sendall(b"".join(bytes([0, 1, code]) for code in codes))

    def transmit(self, command):
        self.exchanges += 1
        self.socket.sendall(len(command).to_bytes(2, "big") + command)
        length = int.from_bytes(self.file.read(2), "big")
        answer = self.file.read(length)
        if len(answer) != length or length < 2:
            raise ConnectionError("the card is gone")
        return answer


def prepare(server, steps):
    """Has `steps` done to a card that keeps them."""
    with server as card:
        card.control(ON)
        steps(card)
        card.socket.close()
