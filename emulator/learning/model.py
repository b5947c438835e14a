"""What docs/card-profile.md says, as state machines: one class for each view of the card.

A view is a set of inputs small enough to be learned. `after` is the rule: state and input to state and
answer, with the section it comes from. It knows neither the card's program nor its mapper.
`machine` makes the table that docs/model shows and that a learned machine is compared with.
"""

from collections import deque
from dataclasses import dataclass, replace

OK = "9000"
COMMAND_UNKNOWN = "6D00"
WRONG_STATE = "6901"

IDLE, LOADING, UNLOADING, BUYING, CAPP, CACHED = "idle", "load", "unload", "purchase", "CAPP begun", "CAPP cached"


@dataclass(frozen=True)
class Transactions:
    """A new card's wallet: transaction states (17.6), enable flag (17.2), PIN (20.1), proof (17.13)."""

    wallet: bool = False  # current DF, else the MF
    pin: bool = False
    under_way: str = IDLE
    open: bool = False
    provable: bool = False  # the last finished transaction is the purchase the terminal asks for

    INPUTS = (
        "reset select_mf select_wallet verify initialise_load credit initialise_purchase debit "
        "initialise_capp update_cache initialise_unload debit_unload get_balance prove_purchase "
        "internal_authenticate read_log get_challenge"
    ).split()

    def __str__(self):
        if not self.wallet:
            where = ["MF"]
        else:
            where = [self.under_way] + ["PIN"] * self.pin
        return ", ".join(where + ["open" if self.open else "never opened"] + ["provable"] * self.provable)

    def after(self, given):
        at = replace(self, under_way=IDLE)  # 17.6: every other command and every error
        if given in ("reset", "select_mf"):  # 20.1
            return replace(at, wallet=False, pin=False), "" if given == "reset" else OK
        if given == "select_wallet":
            return replace(at, wallet=True, pin=False), OK
        if given == "get_challenge":  # 20.3, in the MF too
            return at, OK
        if not self.wallet:  # 9.1; READ RECORD: the MF has no such file (9.9)
            return at, "6A82" if given == "read_log" else COMMAND_UNKNOWN
        if given == "verify":
            return replace(at, pin=True), OK
        if given == "read_log":  # the first finished transaction can only be a load
            return at, OK if self.open else "6A83"
        if given in ("get_balance", "internal_authenticate"):
            return self, OK
        if given == "prove_purchase":
            return (self, OK) if self.provable else (at, "9406")
        return self.transaction(at, given)

    def transaction(self, at, given):
        """17.6 and, for INITIALIZE, 17.7: state, PIN, flag."""
        begins = {
            "initialise_load": LOADING,
            "initialise_unload": UNLOADING,
            "initialise_purchase": BUYING,
            "initialise_capp": CAPP,
        }
        if given in begins:
            if self.under_way in (CAPP, CACHED) or given == "initialise_capp" and self.under_way != IDLE:
                return at, WRONG_STATE
            if given in ("initialise_load", "initialise_unload") and not self.pin:
                return at, "6982"
            if given != "initialise_load" and not self.open:
                return at, "6985"
            return replace(self, under_way=begins[given]), OK
        if given == "update_cache" and self.under_way in (CAPP, CACHED):
            return replace(self, under_way=CACHED), OK
        if given == "credit" and self.under_way == LOADING:
            return replace(at, pin=False, open=True, provable=False), OK
        if given == "debit_unload" and self.under_way == UNLOADING:
            return replace(at, pin=False, provable=False), OK
        if given == "debit" and self.under_way in (BUYING, CACHED):
            return replace(at, pin=False, provable=self.under_way == BUYING), OK
        return at, WRONG_STATE


@dataclass(frozen=True)
class Tries:
    """An open wallet: tries of the PIN (20.2, 20.5 to 20.7) and of the load key (17.6, 20.10)."""

    wallet: bool = False
    pin: bool = False
    tries: int = 3
    loading: bool = False
    left: int = 3  # tries of the load key

    INPUTS = (
        "reset select_mf select_wallet verify verify_wrong change_pin change_pin_wrong reload_pin "
        "unblock_pin initialise_load credit credit_wrong purchase_wrong challenge_and_unblock"
    ).split()

    def __str__(self):
        where = ["wallet" if self.wallet else "MF"] + ["PIN"] * self.pin + ["load"] * self.loading
        return ", ".join(where + [f"{self.tries} for the PIN", f"{self.left} for the load key"])

    def after(self, given):
        at = replace(self, loading=False)
        if given in ("reset", "select_mf"):
            return replace(at, wallet=False, pin=False), "" if given == "reset" else OK
        if given == "select_wallet":
            return replace(at, wallet=True, pin=False), OK
        if not self.wallet:
            return at, COMMAND_UNKNOWN
        if given == "challenge_and_unblock":  # 20.10
            return (at, "6985") if self.left else (replace(at, left=3), OK)
        if given in ("verify", "verify_wrong", "change_pin", "change_pin_wrong"):
            return at.presented(given)
        if given == "reload_pin":
            return replace(at, tries=3), OK
        if given == "unblock_pin":
            return (at, "6985") if self.tries else (replace(at, tries=3), OK)
        if given == "purchase_wrong":  # both commands, and no try
            return at, "9302"
        if given == "initialise_load":
            if not self.pin:
                return at, "6982"
            return (replace(self, loading=True), OK) if self.left else (at, "6983")
        if not self.loading:
            return at, WRONG_STATE
        if given == "credit":
            return replace(at, pin=False, left=3), OK
        return replace(at, left=self.left - 1), "9302"

    def presented(self, given):
        """A PIN is shown: 20.2, 20.5, 20.6."""
        if not self.tries:
            return self, "6983"
        if given == "verify":
            return replace(self, pin=True, tries=3), OK
        if given == "change_pin":
            return replace(self, tries=3), OK
        left = self.tries - 1
        return replace(self, pin=self.pin and given != "verify_wrong", tries=left), f"63C{left}"


@dataclass(frozen=True)
class Authentication:
    """An open wallet: challenge (20.3), EXTERNAL AUTHENTICATE (20.8), its registers (20.1), CARD BLOCK (20.11)."""

    wallet: bool = False
    challenge: bool = False
    mf: bool = False  # the register of the MF is 2
    df: bool = False  # the register of the wallet is 2
    dead: bool = False

    INPUTS = (
        "reset select_mf select_wallet get_challenge external_authenticate external_authenticate_wrong "
        "initialise_load read_information block_card"
    ).split()

    def __str__(self):
        if self.dead:
            return "card blocked"
        where = ["wallet" if self.wallet else "MF"] + ["challenge"] * self.challenge
        proven = ["MF proven"] * self.mf + ["wallet proven"] * (self.df and self.wallet)
        return ", ".join(where + proven)

    def after(self, given):
        at = replace(self, challenge=False)
        if given == "reset":
            return replace(at, wallet=False, mf=False, df=False), ""
        if self.dead:
            return Authentication(dead=True), "6A81"
        if given == "select_mf":
            return replace(at, wallet=False, df=self.mf), OK
        if given == "select_wallet":
            return replace(at, wallet=True, df=False), OK
        if given == "get_challenge":
            return replace(at, challenge=True), OK
        if given == "initialise_load":  # access condition E1
            if not self.wallet:
                return at, COMMAND_UNKNOWN
            return at, OK if self.df else "6982"
        if given == "read_information":
            return at, OK if self.wallet else "6A82"
        if not self.challenge:
            return at, "6984"
        if given == "block_card":  # access condition F2
            return (Authentication(dead=True), OK) if self.mf else (at, "6982")
        if given == "external_authenticate":
            return replace(at, df=True, mf=self.mf or not self.wallet), OK
        return replace(at, df=False, mf=self.mf and self.wallet), "6300"


@dataclass(frozen=True)
class Lines:
    """An open wallet: line protection (20.4), its tries (20.2, 20.8), APPLICATION BLOCK and UNBLOCK (20.10, 20.12)."""

    wallet: bool = False
    challenge: bool = False
    tries: int = 3
    lock: str = "free"  # or "blocked", "blocked for good"

    INPUTS = (
        "reset select_mf select_wallet get_challenge line_update line_update_wrong block block_for_good "
        "unblock unblock_wrong get_balance external_authenticate"
    ).split()

    def __str__(self):
        where = ["wallet" if self.wallet else "MF"] + ["challenge"] * self.challenge
        return ", ".join(where + [f"{self.tries} tries", self.lock])

    def after(self, given):
        at = replace(self, challenge=False)
        if given in ("reset", "select_mf"):
            return replace(at, wallet=False), "" if given == "reset" else OK
        if given == "select_wallet":
            answers = {"free": OK, "blocked": "6A81", "blocked for good": "9303"}
            return replace(at, wallet=True), answers[self.lock]
        if given == "get_challenge":  # of no use where everything is refused
            useful = not (self.wallet and self.lock == "blocked for good")
            return replace(at, challenge=useful), OK
        if not self.wallet and given not in ("line_update", "line_update_wrong", "external_authenticate"):
            return at, COMMAND_UNKNOWN
        return at.locked(given, self.challenge)

    def locked(self, given, challenge):
        """20.12, then 20.4."""
        locks = given in ("block", "block_for_good", "unblock", "unblock_wrong")
        if self.wallet and self.lock == "blocked for good":
            return self, "9303"
        if self.wallet and self.lock == "blocked" and not locks:
            return self, "6985"
        if given == "get_balance":
            return self, OK
        if not challenge:
            return self, "6984"
        if given == "external_authenticate":  # frees the key
            return replace(self, tries=3), OK
        if not self.tries:
            return self, "6983"
        if given.endswith("_wrong"):
            return replace(self, tries=self.tries - 1), "6988"
        at = replace(self, tries=3)
        if given == "line_update":
            return at, OK if self.wallet else "6A82"
        if given == "unblock":
            return (replace(at, lock="free"), OK) if self.lock == "blocked" else (at, "6985")
        return replace(at, lock="blocked" if given == "block" else "blocked for good"), OK


@dataclass(frozen=True)
class Sessions:
    """The education zone of a card in stock: authentication (9.11 to 9.13), sessions (11.6), chains (9.5)."""

    zone: bool = False
    key: int = 0  # chosen key, 0 for none
    challenge: bool = False
    session: int = 0  # key of the session, 0 for none
    chain: bool = False
    pending: bool = False  # an answer waits for GET RESPONSE

    INPUTS = (
        "reset select_mf select_zone select_in_part get_response choose_k1 choose_k2 choose_unknown "
        "get_challenge authenticate authenticate_wrong authenticate_replayed read_plain "
        "read_status_plain unknown chain read_status read_status_wrong read_status_twice update_identity "
        "select_protected get_response_protected unknown_protected"
    ).split()

    def __str__(self):
        where = ["zone" if self.zone else "MF"]
        where += [f"session under K{self.session}"] if self.session else [f"K{self.key}"] * bool(self.key)
        parts = where + ["challenge"] * self.challenge + ["chain"] * self.chain
        return ", ".join(parts + ["answer pending"] * self.pending)

    def after(self, given):
        if given == "reset":
            return Sessions(), ""
        at = replace(self, challenge=False, pending=False)  # 9.2 steps 1 and 3
        if given == "get_response" and self.pending:
            return at, OK
        protected = {
            "read_status": OK,
            "update_identity": "6985" if self.session == 2 else "6982",  # 4.3: another key, then the state
            "select_protected": "6882",
            "get_response_protected": "6882",
            "unknown_protected": COMMAND_UNKNOWN,
            "read_status_wrong": None,
            "read_status_twice": None,
        }
        if given in protected:
            at = replace(at, chain=False)
            if self.session and protected[given]:
                return at, protected[given] + " sm"
            return replace(at, session=0), "6988"
        at = replace(at, session=0)  # step 10
        if given == "chain":
            return replace(at, chain=True), OK
        if self.chain:
            at = replace(at, chain=False)
            return at, COMMAND_UNKNOWN if given == "unknown" else "6883"
        return at.plain(given, self.challenge)

    def plain(self, given, challenge):
        if given == "select_mf":
            return Sessions(), OK
        if given == "select_zone":
            return Sessions(zone=True), OK
        if given == "select_in_part":  # 9.6: 55 bytes, 5 of them at once
            return Sessions(zone=True, pending=True), "6132"
        if given == "get_response":
            return self, "6985"
        if given == "unknown":
            return self, COMMAND_UNKNOWN
        if given == "read_plain":  # a free file of either DF
            return self, OK
        if given == "read_status_plain":
            return self, "6982" if self.zone else "6A82"
        if not self.zone:  # 20.3 and 20.8 stand in the MF for 9.12 and 9.13
            answers = {"get_challenge": "6C08", "authenticate": "6700"}
            return self, answers.get(given.split("_wrong")[0].split("_replayed")[0], COMMAND_UNKNOWN)
        if given == "choose_unknown":
            return replace(self, key=0), "6A88"
        if given.startswith("choose_k"):
            return replace(self, key=int(given[-1])), OK
        if given == "get_challenge":
            return (replace(self, challenge=True), OK) if self.key else (self, "6985")
        if not challenge:
            return self, "6985"
        if given == "authenticate":
            return replace(self, session=self.key), OK
        return replace(self, key=0), "6300"


VIEWS = {
    "transactions": Transactions,
    "tries": Tries,
    "authentication": Authentication,
    "lines": Lines,
    "sessions": Sessions,
}


def machine(view):
    """Every state that can be reached: name to input to (answer, name). The first is the initial one."""
    states, ahead = {}, deque([view()])
    while ahead:
        state = ahead.popleft()
        if str(state) in states:
            continue
        edges = {given: state.after(given) for given in view.INPUTS}
        states[str(state)] = {given: (answer, str(to)) for given, (to, answer) in edges.items()}
        ahead.extend(to for to, _ in edges.values())
    return states
