//! Power goes in every command: at every write, at every byte of it, under four torn models; in the
//! recovery as well; and in what follows.
//!
//! A command runs once with a tape in the memory; from the tape every state is made that a cut can
//! leave. That the tape tells the truth is checked by running the command into some of the cuts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use xuejika_card_model::image;
use xuejika_card_model::nvm::{Cut, Nvm, Torn};
use xuejika_emulator::dispatch::Operation;
use xuejika_emulator::{Env, VirtualCard};

use super::case::{Bound, Card, Case};
use super::invariants::{INVARIANTS, Seen, Witness};
use super::memory::{Memory, Op, apply, lost, torn};
use super::rng::Rng;
use super::scenes::{World, follow_up, operations, scenes};
use super::support::{Reply, send};
use super::view::View;

/// How hard to try. "One in" numbers say how many states are examined further.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Of the bytes far from both ends of a write, one in so many is cut at.
    pub(crate) stride: usize,
    /// One in so many states is opened by another process, and lost by one.
    pub(crate) process: usize,
    /// One in so many states has its recovery cut, up to three deep.
    pub(crate) recovery: usize,
    /// In how many places of each of its writes.
    pub(crate) recovery_cuts: usize,
    /// After one in so many states two further transactions follow.
    pub(crate) follow: usize,
    /// One in so many of those is cut everywhere.
    pub(crate) follow_cut: usize,
    /// How many ways to lose the cache are tried at each place.
    pub(crate) losses: usize,
}

impl Effort {
    /// Before a release.
    pub(crate) const SOAK: Self = Self {
        stride: 1,
        process: 64,
        recovery: 500,
        recovery_cuts: 100,
        follow: 16,
        follow_cut: 300,
        losses: 6,
    };

    /// On every run.
    pub(crate) const QUICK: Self = Self {
        stride: 8,
        process: 101,
        recovery: 301,
        recovery_cuts: 40,
        follow: 101,
        follow_cut: 500,
        losses: 4,
    };

    /// To find a seeded bug.
    #[cfg(faults)]
    pub(crate) const HUNT: Self = Self { process: 29, losses: 6, ..Self::QUICK };
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Commands, a bit for each.
    pub(crate) commands: u64,
    /// Those of them that write.
    pub(crate) writing: u64,
    /// Scenes.
    pub(crate) cases: u64,
    /// Cuts in commands.
    pub(crate) cuts: u64,
    /// Those that left a write half done.
    pub(crate) torn: u64,
    /// Ends of a process, which lose what is in the cache.
    pub(crate) losses: u64,
    /// Cuts in recoveries.
    pub(crate) recoveries: u64,
    /// Most cuts in a row.
    pub(crate) deepest: u64,
    /// Transactions that followed.
    pub(crate) followed: u64,
    /// Cuts in those.
    pub(crate) followed_cuts: u64,
    /// Cuts that a command really ran into.
    pub(crate) real: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.commands |= other.commands;
        self.writing |= other.writing;
        self.cases += other.cases;
        self.cuts += other.cuts;
        self.torn += other.torn;
        self.losses += other.losses;
        self.recoveries += other.recoveries;
        self.deepest = self.deepest.max(other.deepest);
        self.followed += other.followed;
        self.followed_cuts += other.followed_cuts;
        self.real += other.real;
    }

    /// All cuts.
    pub(crate) const fn total(&self) -> u64 {
        self.cuts + self.losses + self.recoveries + self.followed_cuts + self.real
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug)]
pub(crate) struct Breach {
    pub(crate) invariant: &'static str,
    pub(crate) what: String,
    /// Where: command, case, cut.
    pub(crate) place: String,
    pub(crate) seed: u64,
}

/// Does `work`; if it panics, a scene could not be played, which is a breach too.
pub(crate) fn guarded<T>(
    place: &str,
    seed: u64,
    work: impl FnOnce() -> Result<T, Breach>,
) -> Result<T, Breach> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(Breach { invariant: "scene", what: text.into(), place: place.into(), seed })
    })
}

/// The sweeps of one seed.
pub(crate) struct Harness {
    pub(crate) effort: Effort,
    /// An invariant that is not looked at.
    pub(crate) without: Option<String>,
    pub(crate) tally: Tally,
    seed: u64,
    rng: Rng,
}

/// One command with all that is known of it uncut.
struct Stage<'a> {
    case: &'a Case,
    world: &'a World,
    start: View,
    old: Rc<View>,
    new: Rc<View>,
    steps: Vec<View>,
    uncut: Reply,
    command: Vec<u8>,
    /// Memory before the command, and what of it was not durable.
    base: Vec<u8>,
    durable: Vec<u8>,
    cached: Vec<Op>,
    tape: Vec<Op>,
    /// Committed memories whose view is known.
    known: Vec<(Vec<u8>, Rc<View>)>,
    /// A card to put memories into.
    judge: Card,
    /// Whether what follows is examined too.
    further: bool,
    /// A power-up of the judge failed.
    dead: bool,
}

/// What a cut leaves behind.
struct Crash<'a> {
    bytes: &'a [u8],
    durable: &'a [u8],
    cached: &'a [Op],
}

impl Harness {
    pub(crate) fn new(seed: u64, effort: Effort, without: Option<String>) -> Self {
        Self { effort, without, tally: Tally::default(), seed, rng: Rng::new(seed, "cuts") }
    }

    /// Sweeps every case of a command.
    pub(crate) fn command(
        &mut self,
        operation: Operation,
        world: &mut World,
    ) -> Result<(), Breach> {
        // One command by itself does what it does among all.
        let name = format!("{operation:?}");
        (self.rng, world.rng) = (Rng::new(self.seed, &name), Rng::new(world.seed, &name));
        let scenes = scenes(operation, world);
        assert!(!scenes.cases.is_empty(), "{operation:?} has no scene");
        for case in &scenes.cases {
            self.tally.cases += 1;
            let writes = self.sweep(case, world, true)?;
            assert!(scenes.writes || writes == 0, "{operation:?} writes: {}", case.name);
        }
        let bit = 1 << operations().iter().position(|other| *other == operation).unwrap_or(0);
        self.tally.commands |= bit;
        self.tally.writing |= if scenes.writes { bit } else { 0 };
        Ok(())
    }

    /// Runs a case uncut and then into every cut. Gives the number of its writes.
    fn sweep(&mut self, case: &Case, world: &World, further: bool) -> Result<usize, Breach> {
        let mut stage = Stage::run(case, world, further);
        let (new, uncut) = (Rc::clone(&stage.new), stage.uncut.clone());
        let mut seen = Seen::default();
        if further && case.expect.status == 0x9000 {
            seen.late = stage.late();
        }
        let end = Crash { bytes: &stage.end(), durable: &[], cached: &[] };
        seen.proofs = stage.look(end.bytes).proofs;
        self.check(&stage, &new, Some(&uncut), seen, &|| "uncut".into())?;
        self.tape(&mut stage)?;
        if further {
            self.real(&mut stage)?;
        }
        Ok(stage.tape.iter().filter(|op| matches!(op, Op::Write(..))).count())
    }

    /// Every state that a cut can leave, by the tape.
    fn tape(&mut self, stage: &mut Stage<'_>) -> Result<(), Breach> {
        let mut bytes = stage.base.clone();
        let mut durable = stage.durable.clone();
        let mut cached = stage.cached.clone();
        let tape = stage.tape.clone();
        let mut write = 0;
        for op in &tape {
            if let Op::Write(offset, new) = op {
                self.write(stage, write, (&bytes, &durable, &cached), *offset, new)?;
                write += 1;
                apply(&mut bytes, op);
            }
            if *op == Op::Sync {
                durable.copy_from_slice(&bytes);
                cached.clear();
            } else {
                cached.push(op.clone());
            }
            self.losses(stage, &durable, &cached, None)?;
        }
        // The answer is out, and then the process ends.
        let uncut = stage.uncut.clone();
        self.losses(stage, &durable, &cached, Some(&uncut))
    }

    /// Every cut in one write.
    fn write(
        &mut self,
        stage: &mut Stage<'_>,
        write: u64,
        (bytes, durable, cached): (&[u8], &[u8], &[Op]),
        offset: usize,
        new: &[u8],
    ) -> Result<(), Breach> {
        let old = &bytes[offset..offset + new.len()];
        let mut state = bytes.to_vec();
        for cut in self.cuts(write, new.len()) {
            let left = torn(old, new, cut);
            let is_torn = left != old && left != new;
            state[offset..offset + new.len()].copy_from_slice(&left);
            if stage.further {
                self.tally.cuts += 1;
                self.tally.torn += u64::from(is_torn);
            } else {
                self.tally.followed_cuts += 1;
            }
            let cached = || [cached, &[Op::Write(offset, left.clone())]].concat();
            let with_cache = stage.further && self.rng.one_in(self.effort.process);
            let cached = if with_cache { cached() } else { Vec::new() };
            let crash = Crash { bytes: &state, durable, cached: &cached };
            let place = || format!("cut {write}.{} {:?}", cut.after_bytes, cut.torn);
            self.crash(stage, &crash, with_cache, None, &place)?;
        }
        Ok(())
    }

    /// The cuts in a write of this length.
    fn cuts(&mut self, after_writes: u64, length: usize) -> Vec<Cut> {
        let stride = self.effort.stride;
        let shift = self.rng.below(stride);
        let near = |at: &usize| (*at).min(length - at) < 8 || at % stride == shift;
        let mut cuts = Vec::new();
        for after_bytes in (0..=length).filter(near) {
            let models = [
                Torn::Prefix,
                Torn::Erased(0xFF),
                Torn::Erased(0x00),
                Torn::Random(self.rng.next()),
            ];
            // With the whole write there is nothing to tear.
            let models = models.into_iter().take(if after_bytes == length { 1 } else { 4 });
            cuts.extend(models.map(|torn| Cut { after_writes, after_bytes, torn }));
        }
        cuts
    }

    /// The process ends here, and what is in the cache is lost in part.
    fn losses(
        &mut self,
        stage: &mut Stage<'_>,
        durable: &[u8],
        cached: &[Op],
        told: Option<&Reply>,
    ) -> Result<(), Breach> {
        let ways = if cached.is_empty() { 1 } else { self.effort.losses };
        for _ in 0..ways {
            self.tally.losses += 1;
            let left = lost(durable, cached, &mut self.rng);
            let crash = Crash { bytes: &left, durable: &left, cached: &[] };
            let place = || format!("the process ends with {} writes in its cache", cached.len());
            self.crash(stage, &crash, false, told, &place)?;
        }
        Ok(())
    }

    /// Powers a card up after a cut, and looks at it.
    fn crash(
        &mut self,
        stage: &mut Stage<'_>,
        crash: &Crash<'_>,
        with_cache: bool,
        told: Option<&Reply>,
        place: &dyn Fn() -> String,
    ) -> Result<(), Breach> {
        let mut seen = stage.look(crash.bytes);
        let found = stage.found();
        if seen.dead {
            return self.check(stage, &found, told, seen, place);
        }
        if with_cache {
            self.other_ways(stage, crash, &found, &mut seen)?;
        }
        if stage.further && self.rng.one_in(self.effort.recovery) {
            self.cut_recovery(stage, crash.bytes, 1, &mut seen);
        }
        self.check(stage, &found, told, seen, place)?;
        if stage.further && self.rng.one_in(self.effort.follow) {
            stage.recover(crash.bytes);
            let memory = stage.judge.model().nvm().bytes().to_vec();
            self.go_on(stage, memory).map_err(|breach| Breach {
                place: format!(
                    "{:?}, {}, {}, then {}",
                    stage.case.operation,
                    stage.case.name,
                    place(),
                    breach.place
                ),
                ..breach
            })?;
        }
        Ok(())
    }

    /// Another process opens the card; a process that recovered it ends; a damaged image is loaded.
    fn other_ways(
        &mut self,
        stage: &mut Stage<'_>,
        crash: &Crash<'_>,
        found: &View,
        seen: &mut Seen,
    ) -> Result<(), Breach> {
        let opened = Memory::new(crash.bytes.to_vec());
        let Ok(card) = VirtualCard::new(opened, Env::from_seed(1)) else {
            return Err(self.breach(stage, "W11", "another process cannot open it".into(), ""));
        };
        seen.others.push(("another process", View::of(card.model().nvm().bytes())));
        drop(card);

        let nvm = stage.judge.nvm_mut();
        nvm.restore_cached(crash.bytes, crash.durable, crash.cached);
        stage.judge.power_on().expect("it has had power before");
        let tape = stage.judge.nvm_mut().take_tape();
        let nvm = stage.judge.model().nvm();
        let left = lost(nvm.durable(), nvm.cached(), &mut self.rng);
        self.tally.losses += 1;
        stage.recover(&left);
        seen.others.push(("the end of the process after recovery", (*stage.found()).clone()));

        // The process ends in the middle of the recovery; then nothing was told yet.
        for end in 0..tape.len() {
            let reach = tape[..end].iter().rposition(|op| *op == Op::Sync).map_or(0, |at| at + 1);
            if reach > 0 {
                continue;
            }
            self.tally.losses += 1;
            let cached = [crash.cached, &tape[..end]].concat();
            let left = lost(crash.durable, &cached, &mut self.rng);
            stage.recover(&left);
            let other = stage.found();
            if other != stage.old && *other != *found && other != stage.new {
                let place = || "the process ends in recovery".into();
                self.check(stage, &other, None, Seen::default(), &place)?;
            }
        }
        seen.damage_taken = self.damages(crash.bytes);
        Ok(())
    }

    /// Whether an image with a flipped bit, or cut short, is taken for one.
    fn damages(&mut self, memory: &[u8]) -> bool {
        let mut image = image::emit(memory).expect("an image");
        let bit = self.rng.below(8 * image.len());
        image[bit / 8] ^= 1 << (bit % 8);
        let flipped = image::parse(&image).is_ok();
        image[bit / 8] ^= 1 << (bit % 8);
        image.truncate(self.rng.below(image.len()));
        flipped || image::parse(&image).is_ok()
    }

    /// Cuts the recovery of a memory; it must end in the same state all the same. A long recovery is
    /// cut in as many places as a short one.
    fn cut_recovery(&mut self, stage: &mut Stage<'_>, memory: &[u8], depth: u64, seen: &mut Seen) {
        stage.recover(memory);
        let tape = stage.judge.nvm_mut().take_tape();
        let mut bytes = memory.to_vec();
        let mut write = 0;
        for op in &tape {
            let Op::Write(offset, new) = op else { continue };
            let range = *offset..*offset + new.len();
            let old = bytes[range.clone()].to_vec();
            let mut cuts = self.cuts(write, new.len());
            let most = [self.effort.recovery_cuts, 24, 12][usize::try_from(depth).unwrap() - 1];
            while cuts.len() > most {
                cuts.swap_remove(self.rng.below(cuts.len()));
            }
            for cut in cuts {
                self.tally.recoveries += 1;
                self.tally.deepest = self.tally.deepest.max(depth);
                let mut state = bytes.clone();
                state[range.clone()].copy_from_slice(&torn(&old, new, cut));
                if depth < 3 && self.rng.one_in(16) {
                    self.cut_recovery(stage, &state, depth + 1, seen);
                }
                stage.recover(&state);
                let found = stage.found();
                if seen.others.last().is_none_or(|(_, last)| *last != *found) {
                    seen.others.push(("a recovery that was cut", (*found).clone()));
                }
            }
            write += 1;
            apply(&mut bytes, op);
        }
    }

    /// Two further transactions, some of them cut in turn.
    fn go_on(&mut self, stage: &Stage<'_>, mut memory: Vec<u8>) -> Result<(), Breach> {
        for _ in 0..2 {
            let Some(case) = follow_up(stage.world, memory, &mut self.rng) else { return Ok(()) };
            self.tally.followed += 1;
            let next = Stage::run(&case, stage.world, false);
            let (new, uncut) = (Rc::clone(&next.new), next.uncut.clone());
            self.check(&next, &new, Some(&uncut), Seen::default(), &|| "uncut".into())?;
            if self.rng.one_in(self.effort.follow_cut) {
                self.sweep(&case, stage.world, false)?;
            }
            memory = next.end();
        }
        Ok(())
    }

    /// Runs the command into a cut in each of its writes: what leaves the card then, and whether the
    /// tape told the truth.
    fn real(&mut self, stage: &mut Stage<'_>) -> Result<(), Breach> {
        let tape = stage.tape.clone();
        let mut bytes = stage.base.clone();
        let mut after_writes = 0;
        for op in &tape {
            let Op::Write(offset, new) = op else { continue };
            let cuts = self.cuts(after_writes, new.len());
            let cut = cuts[self.rng.below(cuts.len())];
            self.tally.real += 1;
            let (mut card, command) = stage.case.stage();
            card.nvm_mut().arm(Some(cut));
            let mut response = Vec::new();
            let told = card.transmit(&command, &mut response).ok().map(|()| reply(&response));
            let mut expected = bytes.clone();
            let range = *offset..*offset + new.len();
            expected[range.clone()].copy_from_slice(&torn(&bytes[range], new, cut));
            assert!(card.model().nvm().bytes() == expected, "the tape told something else");
            let crash = Crash { bytes: &expected, durable: &[], cached: &[] };
            let place = || format!("ran into cut {after_writes}.{}", cut.after_bytes);
            self.crash(stage, &crash, false, told.as_ref(), &place)?;
            apply(&mut bytes, op);
            after_writes += 1;
        }
        Ok(())
    }

    fn check(
        &self,
        stage: &Stage<'_>,
        found: &View,
        told: Option<&Reply>,
        seen: Seen,
        place: &dyn Fn() -> String,
    ) -> Result<(), Breach> {
        let witness = Witness {
            expect: &stage.case.expect,
            start: &stage.start,
            old: &stage.old,
            new: &stage.new,
            steps: &stage.steps,
            uncut: &stage.uncut,
            found,
            told,
            seen,
        };
        for invariant in &INVARIANTS {
            if self.without.as_deref() == Some(invariant.name) {
                continue;
            }
            (invariant.check)(&witness)
                .map_err(|what| self.breach(stage, invariant.name, what, &place()))?;
        }
        Ok(())
    }

    fn breach(
        &self,
        stage: &Stage<'_>,
        invariant: &'static str,
        what: String,
        place: &str,
    ) -> Breach {
        let Case { operation, name, seed, .. } = stage.case;
        Breach { invariant, what, place: format!("{operation:?}, {name}, {place}"), seed: *seed }
    }
}

impl<'a> Stage<'a> {
    /// Runs a case uncut.
    fn run(case: &'a Case, world: &'a World, further: bool) -> Self {
        let (mut card, command) = case.stage();
        let nvm = card.nvm_mut();
        nvm.take_tape();
        let (durable, cached) = (nvm.durable().to_vec(), nvm.cached().to_vec());
        let base = nvm.bytes().to_vec();
        let uncut = send(&mut card, &command);
        let tape = card.nvm_mut().take_tape();
        let end = card.model().nvm().bytes().to_vec();
        let (old, new) = (Rc::new(View::of(&base)), Rc::new(View::of(&end)));
        let journal = old.tree().journal;
        let known = vec![
            (base[..journal].to_vec(), Rc::clone(&old)),
            (end[..journal].to_vec(), Rc::clone(&new)),
        ];
        let steps = steps(&base, &tape);
        let start = View::of(&case.start);
        Self {
            case,
            world,
            start,
            old,
            new,
            steps,
            uncut,
            command,
            base,
            durable,
            cached,
            tape,
            known,
            judge: card,
            further,
            dead: false,
        }
    }

    /// Memory after the uncut command.
    fn end(&self) -> Vec<u8> {
        let mut bytes = self.base.clone();
        self.tape.iter().for_each(|op| apply(&mut bytes, op));
        bytes
    }

    /// Powers the judge up over a memory.
    fn recover(&mut self, memory: &[u8]) {
        self.judge.nvm_mut().restore(memory);
        self.judge.power_off();
        self.dead |= self.judge.power_on().is_err();
    }

    /// What the judge is now.
    fn found(&mut self) -> Rc<View> {
        let bytes = self.judge.model().nvm().bytes();
        let committed = &bytes[..self.old.tree().journal];
        if let Some((_, view)) = self.known.iter().find(|(known, _)| known == committed) {
            return Rc::clone(view);
        }
        let view = Rc::new(View::of(bytes));
        if self.known.len() < 8 {
            self.known.push((committed.to_vec(), Rc::clone(&view)));
        }
        view
    }

    /// Powers up over a memory, once more, and asks for proofs. The judge is left so.
    fn look(&mut self, memory: &[u8]) -> Seen {
        self.recover(memory);
        self.judge.nvm_mut().take_tape();
        self.dead |= self.judge.power_on().is_err();
        if core::mem::take(&mut self.dead) {
            return Seen { dead: true, ..Seen::default() };
        }
        let tape = self.judge.nvm_mut().take_tape();
        let rewrites = tape.iter().filter(|op| matches!(op, Op::Write(..))).count();
        Seen { rewrites, proofs: self.proofs(), ..Seen::default() }
    }

    /// GET TRANSACTION PROVE for the transaction, and for the one before it.
    fn proofs(&mut self) -> Option<[Reply; 2]> {
        let money = self.case.expect.money.as_ref()?;
        let old = self.old.purse()?;
        self.world.client.select(&mut self.judge);
        let mut ask = |kind: u8, sequence: u16| {
            self.world.client.send(
                &mut self.judge,
                [0x80, 0x5A, 0x00, kind],
                &sequence.to_be_bytes(),
            )
        };
        let proof = ask(money.kind.code(), money.counter(&old).wrapping_add(1));
        let last = match old.proof {
            Some(last) => ask(last.kind.code(), last.sequence),
            None => Reply { data: Vec::new(), sw: 0x9406 },
        };
        Some([proof, last])
    }

    /// The command after all that makes it come too late.
    fn late(&self) -> Vec<(&'static str, Reply, Vec<Part>)> {
        let bound = self.case.expect.bound;
        let mut late = Vec::new();
        if bound == Bound::Free {
            return late;
        }
        let mut attempt = |what, before: &dyn Fn(&mut Card, &[u8])| {
            let (mut card, command) = self.case.stage();
            before(&mut card, &command);
            let old = View::of(card.model().nvm().bytes());
            let reply = send(&mut card, &command);
            late.push((what, reply, View::of(card.model().nvm().bytes()).difference(&old)));
        };
        let df = self.directory();
        attempt("a reset", &|card, _| {
            card.reset().expect("power");
        });
        attempt("a reset and SELECT", &|card, _| {
            card.reset().expect("power");
            self.world.client.send(card, [0x00, 0xA4, 0x00, 0x00], &df);
        });
        attempt("its use", &|card, command| drop(send(card, command)));
        attempt("another one like it", &|card, _| drop((self.case.prepare)(card)));
        if bound == Bound::Next {
            attempt("an error", &|card, _| drop(send(card, &[0x80, 0x50, 0x09, 0x02])));
            let read = [0x00, 0xB0, if df == [0x10, 0x01] { 0x95 } else { 0x84 }, 0x00, 0x01];
            attempt("another command", &|card, _| drop(send(card, &read)));
            let challenge = [0x00, 0x84, 0x00, 0x00, 0x04];
            attempt("another challenge", &|card, _| drop(send(card, &challenge)));
        }
        late
    }

    /// Identifier of the DF in which the command runs, as near as that matters.
    fn directory(&self) -> [u8; 2] {
        let tree = self.old.tree();
        let in_wallet = self.case.expect.money.is_some() || self.command[0] & 0x84 == 0x84;
        match (&tree.wallet, tree.dfs.first()) {
            (Some(wallet), _) if in_wallet => wallet.fid.to_be_bytes(),
            (None, Some(df)) => df.fid.to_be_bytes(),
            _ => tree.mf.fid.to_be_bytes(),
        }
    }
}

use super::view::Part;

/// The states that a tape commits, in their order.
fn steps(base: &[u8], tape: &[Op]) -> Vec<View> {
    let mut bytes = base.to_vec();
    let mut last = View::of(base);
    let mut steps = Vec::new();
    for op in tape {
        apply(&mut bytes, op);
        if *op == Op::Sync {
            let view = View::of(&bytes);
            if view != last {
                steps.push(view.clone());
                last = view;
            }
        }
    }
    steps
}

fn reply(response: &[u8]) -> Reply {
    let (data, status) = response.split_last_chunk().expect("two status bytes");
    Reply { data: data.to_vec(), sw: u16::from_be_bytes(*status) }
}
