"""Learns the card's state machines over TCP and compares them with the model in docs/model.

    python3 learn.py PROGRAM [--walks N] [--view NAME] [--faults FAULTY_CARD] [--write]

For each view of model.py: the committed table must be what the model says; the machine that AALpy
learns from the served card must be equal to it, no state and no edge more. The learner is given all
words of the model's W-method suite to try, and random walks. After that, words of the suite for cards
with one state more are run, as many as there is time for. Exit code 1 and the shortest word that shows
a difference otherwise. `--faults` expects a difference from each of a few faulty cards.
"""

import argparse
import itertools
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections import deque

from aalpy.automata import MealyMachine, MealyState
from aalpy.base import SUL
from aalpy.learning_algs import run_KV
from aalpy.oracles import ProvidedSequencesOracleWrapper, StatePrefixEqOracle

from card import Server, prepare
from model import VIEWS, machine
from wallet import FEN, LOAD, Wallet, opened
from zone import Zone

MODELS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "model"
SERIAL = "1100070100000017"
MAPPERS = {
    "transactions": (Wallet, False),
    "tries": (Wallet, True),
    "authentication": (Wallet, True),
    "lines": (Wallet, True),
    "sessions": (Zone, False),
}
FAULTS = {
    "PendingSurvivesError": "transactions",
    "PendingSurvivesOthers": "transactions",
    "PendingSurvivesReset": "transactions",
    "SecurityStateKept": "transactions",
    "FailureNotCounted": "tries",
    "LastTryDoesNotBlock": "tries",
    "ChallengeNotConsumed": "authentication",
    "SecurityStateSurvivesSelect": "authentication",
    "LineMacSkipped": "lines",
    "BlockNotPersisted": "lines",
    "ZoneChallengeReusable": "sessions",
    "KeyChoiceSurvivesFailure": "sessions",
    "SmSessionSurvivesPlain": "sessions",
    "SmReplayAccepted": "sessions",
}


class Served(SUL):
    """A card behind a mapper, as AALpy wants it."""

    def __init__(self, mapper):
        super().__init__()
        self.mapper = mapper

    def pre(self):
        self.mapper.begin()

    def post(self):
        pass

    def step(self, letter):
        return getattr(self.mapper, letter)()


def table_of(learned):
    """A learned machine in the form of `model.machine`."""
    name = {state: f"s{index}" for index, state in enumerate(learned.states)}
    order = [learned.initial_state] + [s for s in learned.states if s is not learned.initial_state]
    return {
        name[state]: {
            given: (state.output_fun[given], name[to]) for given, to in state.transitions.items()
        }
        for state in order
    }


def difference(left, right):
    """The shortest word that the two machines answer differently, and the answers; None if equal."""
    first = next(iter(left)), next(iter(right))
    seen, ahead = {first}, deque([(*first, ())])
    while ahead:
        here, there, word = ahead.popleft()
        for given, (answer, to) in left[here].items():
            other, other_to = right[there][given]
            longer = word + (given,)
            if answer != other:
                return longer, answer, other
            if (to, other_to) not in seen:
                seen.add((to, other_to))
                ahead.append((to, other_to, longer))
    return None


def merged(table):
    """Pairs of states that no word tells apart."""
    names = list(table)
    start = lambda name: {name: table[name], **table}
    return [pair for pair in itertools.combinations(names, 2)
            if difference(start(pair[0]), start(pair[1])) is None]


def dot(view, table):
    """The text of docs/model/NAME.dot: states and edges sorted, answers behind a slash."""
    title = " ".join(VIEWS[view].__doc__.split())
    lines = [f"// {title}", "// Written from emulator/learning/model.py and compared with it and with the card."]
    lines += [f"digraph {view} {{", f'  start [shape=point]; start -> "{next(iter(table))}";']
    for state in sorted(table):
        lines.append(f'  "{state}";')
        for given in sorted(table[state]):
            answer, to = table[state][given]
            lines.append(f'  "{state}" -> "{to}" [label="{given} / {answer}"];')
    return "\n".join(lines + ["}", ""])


def automaton(table):
    states = {name: MealyState(name) for name in table}
    for name, edges in table.items():
        for given, (answer, to) in edges.items():
            states[name].transitions[given] = states[to]
            states[name].output_fun[given] = answer
    return MealyMachine(next(iter(states.values())), list(states.values()))


def w_method(table, inputs, more):
    """Words of a W-method suite for cards with at most `more` states more than the table has."""
    model = automaton(table)
    model.compute_prefixes()
    tellers = model.compute_characterization_set()
    for length in range(more + 2):
        middles = itertools.product(inputs, repeat=length)
        for state, middle, teller in itertools.product(model.states, middles, tellers):
            yield tuple(state.prefix) + middle + tuple(teller)


def follow(table, word):
    """What the machine answers to a word."""
    state, answers = next(iter(table)), []
    for given in word:
        answer, state = table[state][given]
        answers.append(answer)
    return answers


def check(view, table, mapper, walks, seconds):
    """Compares the card behind `mapper` with the table. Returns whether they are equal."""
    inputs, begun = VIEWS[view].INPUTS, time.monotonic()
    card = Served(mapper)
    # The model lends the learner words to try, not answers.
    words = sorted(set(w_method(table, inputs, more=0)), key=lambda word: (len(word), word))
    walker = StatePrefixEqOracle(inputs, card, walks_per_state=walks, walk_len=15)
    oracle = ProvidedSequencesOracleWrapper(inputs, card, walker, words)
    learned = table_of(run_KV(inputs, card, oracle, "mealy", print_level=0))
    found = difference(table, learned)
    tried = suite = 0
    if not found:
        suite = list(set(w_method(table, inputs, more=1)) - set(words))
        random.shuffle(suite)
        for word in suite:
            if time.monotonic() - begun > seconds:
                break
            tried += 1
            right, said = follow(table, word), card.query(word)
            if right != said:
                at = next(i for i, pair in enumerate(zip(right, said)) if pair[0] != pair[1])
                found = word[: at + 1], right[at], said[at]
                break
        suite = len(suite)
    spent = time.monotonic() - begun
    print(
        f"{view}: {len(learned)} states, {len(inputs)} inputs, {mapper.card.exchanges} commands, "
        f"{tried} of {suite} words for a state more, {spent:.1f} s",
        flush=True,
    )
    if found:
        word, right, said = found
        print(f"  {' '.join(word)}: expected {right or 'nothing'}, got {said or 'nothing'}", flush=True)
    return not found


def committed(view, write):
    """The model's table; fails unless docs/model shows the same."""
    table, path = machine(VIEWS[view]), MODELS / f"{view}.dot"
    for pair in merged(table):
        raise SystemExit(f"learn: {view}: no word tells {pair[0]} from {pair[1]}")
    if write:
        path.write_text(dot(view, table))
    if path.read_text() != dot(view, table):
        raise SystemExit(f"learn: {path} is not what model.py says; --write writes it")
    return table


def images(program, folder):
    """Two cards in files: a new one, and one with an open wallet."""
    paths = {}
    for is_open in (False, True):
        paths[is_open] = f"{folder}/{'open' if is_open else 'new'}.img"
        create = [program, "card", "create", "--profile", "cpu-aes", "--serial", SERIAL, "-o"]
        subprocess.run(create + [paths[is_open]], check=True, stdout=subprocess.DEVNULL)
    listen = ["--listen", "127.0.0.1:0"]
    prepare(Server([program, "emulate", paths[True], *listen]), opened)
    return paths


def mapper_of(view, card):
    kind, is_open = MAPPERS[view]
    return Wallet(card, FEN[LOAD]) if is_open else kind(card)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--walks", type=int, default=10, help="random walks from each state")
    arguments.add_argument("--seconds", type=float, default=8, help="longest time for one view's suite")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--view", choices=VIEWS)
    arguments.add_argument("--faults", help="program that serves IMAGE with FAULT")
    arguments.add_argument("--write", action="store_true", help="write docs/model")
    given = arguments.parse_args()
    random.seed(given.seed)
    views = [given.view] if given.view else list(VIEWS)
    tables = {view: committed(view, given.write) for view in views}
    right = True
    with tempfile.TemporaryDirectory() as folder:
        paths = images(given.program, folder)
        for view in views:
            image = paths[MAPPERS[view][1]]
            serve = [given.program, "emulate", image, "--fresh", "--listen", "127.0.0.1:0"]
            with Server(serve) as card:
                right &= check(view, tables[view], mapper_of(view, card), given.walks, given.seconds)
        for fault, view in FAULTS.items() if given.faults else ():
            if view in views:
                print(f"{fault}, ", end="")
                with Server([given.faults, paths[MAPPERS[view][1]], fault]) as card:
                    mapper = mapper_of(view, card)
                    if check(view, tables[view], mapper, given.walks, given.seconds):
                        print(f"  {fault} was not noticed")
                        right = False
    sys.exit(not right)


if __name__ == "__main__":
    main()
