"""A reader of the education zone as a mapper: sections 8 to 11 of docs/card-profile.md.

An answer is its status word; ` sm` follows when it came protected and its checksum is right, ` bad`
when anything in it is not what the profile says. The reader keeps its session keys when the card has
thrown its own away, as an attacker would.
"""

import os

from card import OFF, ON, RESET
from codes import Handshake, Session

SERIAL = bytes.fromhex("1100070100000017")
ZONE = b"\xdf\x01"
NAME = bytes.fromhex("F0424A45445501")


class Zone:
    """Talks to one card; `begin` starts with a new one."""

    def __init__(self, card):
        self.card = card
        self.begin()

    def begin(self):
        self.card.control(OFF, ON)
        self.key = 1, 1
        self.random = bytes(16)
        self.session = Session(bytes(16), bytes(16))
        self.proof = Handshake(SERIAL, ZONE, *self.key, bytes(16), bytes(16)).data()

    def send(self, command, check=lambda body: body == b""):
        answer = self.card.transmit(command)
        body, status = answer[:-2], answer[-2:].hex().upper()
        right = check(body) if status == "9000" or status[:2] == "61" else body == b""
        return status if right else status + " bad"

    def reset(self):
        self.card.control(RESET)
        return ""

    def select_mf(self):
        return self.send(bytes.fromhex("00A4000C"))

    def select_zone(self):
        return self.send(bytes.fromhex("00A4040C") + bytes([len(NAME)]) + NAME)

    def select_in_part(self):
        command = bytes.fromhex("00A40400") + bytes([len(NAME)]) + NAME + b"\x05"
        return self.send(command, lambda body: len(body) == 5)

    def get_response(self):
        return self.send(bytes.fromhex("00C0000000"), lambda body: len(body) == 50)

    def choose(self, number, version=1):
        command = bytes.fromhex("0022C1A407800101") + bytes([0x83, 2, number, version])
        answer = self.send(command)
        if answer == "9000":
            self.key = number, version
        return answer

    def choose_k1(self):
        return self.choose(1)

    def choose_k2(self):
        return self.choose(2)

    def choose_unknown(self):
        return self.choose(1, version=2)

    def get_challenge(self):
        def fresh(body):
            different, self.random = body != self.random, body
            return len(body) == 16 and different

        return self.send(bytes.fromhex("0084000010"), fresh)

    def authenticate(self, spoil=0):
        shake = Handshake(SERIAL, ZONE, *self.key, self.random, os.urandom(16))
        data = shake.data()
        answer = self.present(data[:-1] + bytes([data[-1] ^ spoil]), shake.proof())
        if answer == "9000":
            self.session, self.proof = shake.session(), data
        return answer

    def present(self, data, proof):
        command = bytes.fromhex("0082000028") + data + b"\x10"
        return self.send(command, lambda body: body == proof)

    def authenticate_wrong(self):
        return self.authenticate(spoil=1)

    def authenticate_replayed(self):
        return self.present(self.proof, b"never right")

    def read_plain(self):
        return self.send(bytes.fromhex("00B0850000"), lambda body: len(body) in (9, 48))

    def read_status_plain(self):
        return self.send(bytes.fromhex("00B0860000"), lambda body: len(body) == 32)

    def unknown(self):
        return self.send(bytes.fromhex("00EE0000"))

    def chain(self):
        return self.send(bytes.fromhex("10EE00000100"))

    # Secure messaging.

    def protect(self, header, data=b"", le=None):
        return self.exchange(self.session.wrap(bytes.fromhex(header), data, le))

    def exchange(self, command):
        answer = self.card.transmit(command)
        status = answer[-2:].hex().upper()
        if len(answer) == 2:
            return status
        return status + (" sm" if self.session.accepts(answer) else " bad")

    def read_status(self):
        return self.protect("00B08600", le=0)

    def read_status_wrong(self):
        command = self.session.wrap(bytes.fromhex("00B08600"), le=0)
        return self.exchange(command[:-2] + bytes([command[-2] ^ 1]) + b"\x00")

    def read_status_twice(self):
        """The same bytes again; what the second time answers."""
        command = self.session.wrap(bytes.fromhex("00B08600"), le=0)
        self.exchange(command)
        return self.exchange(command)

    def update_identity(self):
        return self.protect("00D68700", data=b"\x00")

    def select_protected(self):
        return self.protect("00A4040C", data=NAME)

    def get_response_protected(self):
        return self.protect("00C00000", le=0)

    def unknown_protected(self):
        return self.protect("00EE0000")
