"""The terminal's cryptography, written from docs/card-profile.md alone: a second implementation.

Sections 8 and 10 (keys, authentication), 11 (secure messaging), 16 (test roots), 17.4, 17.5 and 20.4
(keys and codes of the wallet).
"""

from Crypto.Cipher import AES, DES, DES3
from Crypto.Hash import CMAC

AES_128 = 0x01
ID_IFD = bytes.fromhex("0000110105000042")


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def cmac(key, message):
    return CMAC.new(key, message, ciphermod=AES).digest()


def test_root(zone, number, version, algorithm):
    """Section 16."""
    names = zone + bytes([number, version, algorithm])
    return cmac(bytes.fromhex("00112233445566778899AABBCCDDEEFF"), b"XUEJIKA TEST ROOT" + names)


def zone_key(serial, zone, number, version=1):
    """A key of the card, from the test root (8.2)."""
    names = zone + bytes([number, version, AES_128])
    return cmac(test_root(zone, number, version, AES_128), b"\x01" + serial + names + b"\x03XJK1")


class Handshake:
    """The reader's side of one authentication (10.2)."""

    def __init__(self, serial, zone, number, version, rnd_icc, rnd_ifd):
        self.key = zone_key(serial, zone, number, version)
        self.rnd_ifd = rnd_ifd
        self.context = zone + bytes([number, version, AES_128]) + serial + ID_IFD + rnd_icc + rnd_ifd

    def derive(self, constant):
        block = b"XUEJIKA1" + bytes([0, 0, 0, constant, 0, 0, 0x80, 1])
        return cmac(self.key, block + self.context)

    def data(self):
        """Data of MUTUAL AUTHENTICATE (9.13)."""
        return self.rnd_ifd + ID_IFD + self.derive(2)

    def proof(self):
        """What the card has to answer."""
        return self.derive(1)

    def session(self):
        return Session(self.derive(4), self.derive(6))


def padded(data, block):
    data += b"\x80"
    return data + bytes(-len(data) % block)


class Session:
    """The reader's side of secure messaging, without data in commands (section 11)."""

    def __init__(self, encipher, check):
        self.encipher, self.check, self.counter = encipher, check, 0

    def _count(self):
        self.counter += 1
        return self.counter.to_bytes(16, "big")

    def wrap(self, header, data=b"", le=None):
        """A protected command of `CLA INS P1 P2` (11.2)."""
        ssc = self._count()
        header = bytes([header[0] | 0x0C]) + header[1:]
        objects = b""
        if data:
            iv = AES.new(self.encipher, AES.MODE_ECB).encrypt(ssc)
            text = AES.new(self.encipher, AES.MODE_CBC, iv=iv).encrypt(padded(data, 16))
            objects += bytes([0x87, len(text) + 1, 0x01]) + text
        if le is not None:
            objects += bytes([0x97, 1, le])
        covered = ssc + padded(header, 16) + (padded(objects, 16) if objects else b"")
        objects += b"\x8e\x08" + cmac(self.check, covered)[:8]
        return header + bytes([len(objects)]) + objects + b"\x00"

    def accepts(self, answer):
        """Whether a protected answer, status word included, is the card's (11.5)."""
        ssc = self._count()
        body, tag = answer[:-12], answer[-12:-2]
        right = b"\x8e\x08" + cmac(self.check, ssc + padded(body, 16))[:8]
        return tag == right and body[-4:] == b"\x99\x02" + answer[-2:]


def odd_parity(key):
    return bytes(b & 0xFE | 1 ^ bin(b >> 1).count("1") & 1 for b in key)


def tdes(key, block):
    return DES3.new(key, DES3.MODE_ECB).encrypt(block)


def wallet_key(number, kind):
    """A key of the wallet, from the test root (17.4); `number` is the card number."""
    root = odd_parity(test_root(b"\x10\x01", kind, 1, 0x81))
    return tdes(root, number) + tdes(root, xor(number, b"\xff" * 8))


def mac(key, message, start=bytes(8)):
    """CBC-MAC of single DES (17.5), of TDES at the end if the key has two halves (20.4)."""
    text = padded(message, 8)
    left = DES.new(key[:8], DES.MODE_ECB)
    state = start
    for at in range(0, len(text), 8):
        state = left.encrypt(xor(state, text[at : at + 8]))
    if len(key) == 16:
        state = left.encrypt(DES.new(key[8:], DES.MODE_ECB).decrypt(state))
    return state[:4]


def tac(key, message):
    return mac(xor(key[:8], key[8:]), message)
