"""The wallet's terminal, host and operator as a mapper: names of inputs to commands, answers to names.

An answer is its status word; ` bad` follows when a code, a balance or a length in it is not what
docs/card-profile.md, sections 17 and 20, says. Codes are made for what the card last told, so a right
MAC is right whenever the card has a transaction for it.
"""

from card import OFF, ON, RESET
from codes import mac, tac, tdes, wallet_key, xor

NUMBER = bytes.fromhex("1000070100000017")
TERMINAL = bytes.fromhex("000000000001")
MOMENT = bytes.fromhex("20260901080000")
TERMINAL_SEQUENCE = bytes.fromhex("00000001")
PIN, OTHER_PIN = bytes.fromhex("123456"), bytes.fromhex("654321")
LOAD, UNLOAD, PURCHASE, CAPP = 0x02, 0x03, 0x06, 0x09
FEN = {LOAD: 1000, UNLOAD: 1, PURCHASE: 1, CAPP: 1}
P1 = {LOAD: 0x00, PURCHASE: 0x01, CAPP: 0x03, UNLOAD: 0x05}
KEY = {LOAD: 0x3F, UNLOAD: 0x3D, PURCHASE: 0x3E, CAPP: 0x3E}
KEYS = {kind: wallet_key(NUMBER, kind) for kind in (0x3E, 0x3F, 0x34, 0x3D, 0x36, 0x37, 0x38, 0x39, 0x32)}


def money(fen):
    return fen.to_bytes(4, "big")


class Wallet:
    """Talks to one card; `begin` starts with a new one."""

    def __init__(self, card, balance=0):
        self.card, self.start = card, balance
        self.begin()

    def begin(self):
        self.card.control(OFF, ON)
        self.balance = self.start
        self.challenge = bytes(8)
        self.begun = None  # kind, counter and random number of the last INITIALIZE
        self.bought = 1  # counter of the last finished purchase

    def send(self, header, data=b"", le=None, check=lambda answer: answer == b""):
        command = bytes.fromhex(header)
        if data:
            command += bytes([len(data)]) + data
        if le is not None:
            command += bytes([le])
        answer = self.card.transmit(command)
        body, status = answer[:-2], answer[-2:].hex().upper()
        right = check(body) if status == "9000" else body == b""
        return status if right else status + " bad"

    # Files and selection.

    def reset(self):
        self.card.control(RESET)
        return ""

    def select_mf(self):
        return self.send("00A4000C")

    def select_wallet(self):
        return self.send("00A4000C", b"\x10\x01")

    def read_information(self):
        return self.send("00B09500", le=0, check=lambda body: len(body) == 30)

    def read_log(self):
        return self.send("00B201C4", le=0, check=lambda body: len(body) == 23)

    # Proofs of section 20.

    def get_challenge(self):
        def fresh(body):
            new = body + bytes(8 - len(body))
            different, self.challenge = new != self.challenge, new
            return len(body) == 4 and different

        return self.send("00840000", le=4, check=fresh)

    def verify(self, pin=PIN):
        return self.send("00200001", pin)

    def verify_wrong(self):
        return self.verify(OTHER_PIN)

    def change_pin(self, old=PIN):
        return self.send("805E0101", old + b"\xff" + PIN)

    def change_pin_wrong(self):
        return self.change_pin(OTHER_PIN)

    def reload_pin(self):
        key = KEYS[0x38]
        return self.send("805E0001", PIN + mac(xor(key[:8], key[8:]), PIN))

    def unblock_pin(self):
        self.get_challenge()
        text = tdes(KEYS[0x37], bytes([len(PIN)]) + PIN + b"\x80\x00\x00\x00")
        return self.line("84240001", text, key=0x37)

    def external_authenticate(self, spoil=0):
        answer = tdes(KEYS[0x39], self.challenge)
        return self.send("00820001", answer[:-1] + bytes([answer[-1] ^ spoil]))

    def external_authenticate_wrong(self):
        return self.external_authenticate(spoil=1)

    def internal_authenticate(self):
        right = mac(KEYS[0x32], b"\x55")
        return self.send("00880201", b"\x55", le=4, check=lambda body: body == right)

    # Line protection (20.4).

    def line(self, header, data=b"", key=0x36, spoil=0):
        covered = bytes.fromhex(header) + bytes([len(data) + 4]) + data
        code = mac(KEYS[key], covered, start=self.challenge)
        return self.send(header, data + code[:-1] + bytes([code[-1] ^ spoil]))

    def line_update(self):
        return self.line("04D69700", b"\x00")

    def line_update_wrong(self):
        return self.line("04D69700", b"\x00", spoil=1)

    def block(self):
        return self.line("841E0000")

    def block_for_good(self):
        return self.line("841E0001")

    def unblock(self):
        return self.line("84180000")

    def unblock_wrong(self):
        return self.line("84180000", spoil=1)

    def block_card(self):
        return self.line("84160000")

    def challenge_and_unblock(self):
        self.get_challenge()
        return self.unblock()

    # Transactions (section 17).

    def get_balance(self):
        return self.send("805C0002", le=4, check=lambda body: body == money(self.balance))

    def initialise(self, kind):
        def take(body):
            online = kind in (LOAD, UNLOAD)
            counter, random = body[4:6], body[8:12] if online else body[11:15]
            self.begun = kind, counter, random
            right = len(body) == (16 if online else 15) and body[:4] == money(self.balance)
            if online:
                covered = money(self.balance) + money(FEN[kind]) + bytes([kind]) + TERMINAL
                right &= body[12:] == mac(self.session(), covered)
            return right

        data = b"\x01" + money(FEN[kind]) + TERMINAL
        return self.send(f"8050{P1[kind]:02X}02", data, check=take)

    def session(self):
        kind, counter, random = self.begun or (PURCHASE, bytes(2), bytes(4))
        tail = b"\x80\x00" if kind in (LOAD, UNLOAD) else TERMINAL_SEQUENCE[2:]
        return tdes(KEYS[KEY[kind]], random + counter + tail)

    def told(self):
        """Kind and counter of the last INITIALIZE."""
        kind, counter, _ = self.begun or (PURCHASE, bytes(2), bytes(4))
        return kind, counter

    def initialise_load(self):
        return self.initialise(LOAD)

    def initialise_unload(self):
        return self.initialise(UNLOAD)

    def initialise_purchase(self):
        return self.initialise(PURCHASE)

    def initialise_capp(self):
        return self.initialise(CAPP)

    def credit(self, spoil=0):
        kind, counter = self.told()
        order = money(FEN[LOAD]) + bytes([LOAD]) + TERMINAL + MOMENT

        def take(body):
            self.balance += FEN[LOAD]
            return body == tac(KEYS[0x34], money(self.balance) + counter + order)

        code = mac(self.session(), order)
        return self.send("80520000", MOMENT + code[:-1] + bytes([code[-1] ^ spoil]), check=take)

    def credit_wrong(self):
        return self.credit(spoil=1)

    def debit_unload(self, spoil=0):
        kind, counter = self.told()
        order = money(FEN[UNLOAD]) + bytes([UNLOAD]) + TERMINAL + MOMENT
        session = self.session()

        def take(body):
            self.balance -= FEN[UNLOAD]
            return body == mac(session, money(self.balance) + counter + order)

        code = mac(session, order)
        return self.send("80540300", MOMENT + code[:-1] + bytes([code[-1] ^ spoil]), check=take)

    def debit_unload_wrong(self):
        return self.debit_unload(spoil=1)

    def debit(self, spoil=0):
        kind, counter = self.told()
        amount = money(FEN[PURCHASE]) + bytes([kind]) + TERMINAL
        session = self.session()

        def take(body):
            self.balance -= FEN[PURCHASE]
            if kind == PURCHASE:
                self.bought = int.from_bytes(counter, "big") + 1
            right = tac(KEYS[0x34], amount + TERMINAL_SEQUENCE + MOMENT)
            return body == right + mac(session, money(FEN[PURCHASE]))

        code = mac(session, amount + MOMENT)
        data = TERMINAL_SEQUENCE + MOMENT + code[:-1] + bytes([code[-1] ^ spoil])
        return self.send("80540100", data, check=take)

    def debit_wrong(self):
        return self.debit(spoil=1)

    def purchase_wrong(self):
        self.initialise_purchase()
        return self.debit_wrong()

    def update_cache(self):
        return self.send("80DC01C8", b"\x01\x02\xaa\xbb")

    def prove_purchase(self):
        """Asks for the last purchase that this terminal knows to be finished."""
        sequence = self.bought.to_bytes(2, "big")
        return self.send("805A0006", sequence, le=8, check=lambda body: len(body) == 8)


def opened(card):
    """Makes a wallet that is open and has 10 yuan."""
    wallet = Wallet(card)
    steps = (wallet.select_wallet, wallet.verify, wallet.initialise_load, wallet.credit)
    for step in steps:
        if (answer := step()) != "9000":
            raise SystemExit(f"learn: {step.__name__} answered {answer}")
