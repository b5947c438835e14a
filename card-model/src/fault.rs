//! Seeded faults: deliberately wrong behaviour, for tests that must notice.
//!
//! Without the cargo feature `faults`, which nothing but tests turns on, [`seeded`] is a constant
//! `false` and no trace of them is left in the program.

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident,)*) => {
        /// A fault that can be seeded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[$doc])* $fault,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault),*];
        }
    };
}

faults! {
    /// The changes are written before the journal record.
    DataBeforeJournal,
    /// No journal record is written.
    JournalOmitted,
    /// The check value of a journal record is ignored.
    JournalCheckIgnored,
    /// The check value of a journal record covers its beginning only.
    JournalCheckPartial,
    /// An interrupted commit is not completed.
    RecoveryOmitted,
    /// Recovery stops after the first change.
    RecoveryStopsEarly,
    /// Recovery forgets the first change.
    RecoveryForgetsFirst,
    /// A commit does not wait until it is durable.
    CommitNotSynced,
    /// Recovery does not wait until it is durable.
    RecoveryNotSynced,
    /// A commit lets the memory keep the changes before the journal record.
    BarrierOmitted,
    /// Recovery lets the memory keep the changes before the journal record.
    RecoveryBarrierOmitted,
    /// The check value of a card image is ignored.
    ImageCheckIgnored,
    /// Versions and failures of a key change in a transaction of their own.
    KeyHeaderOutside,
    /// An event changes the status in a transaction of its own.
    StatusOutside,
    /// A failed mutual authentication is told although its counter could not be stored.
    FailureToldBeforeCounter,
    /// Wallet: the balance changes in a transaction of its own.
    BalanceOutside,
    /// Wallet: the counter changes in a transaction of its own.
    CounterOutside,
    /// Wallet: the proof changes in a transaction of its own.
    ProofOutside,
    /// Wallet: the log changes in a transaction of its own.
    LogOutside,
    /// Wallet: the enable flag changes in a transaction of its own.
    FlagOutside,
    /// Wallet: the records of a compound purchase change in transactions of their own.
    RecordsOutside,
    /// Wallet: the answer is given although the commit failed.
    RevealBeforeCommit,
    /// Wallet: a wrong MAC is told although its counter could not be stored.
    VerdictBeforeCounter,
    /// Wallet: a wrong MAC is not counted.
    FailureNotCounted,
    /// Wallet: the last try does not block.
    LastTryDoesNotBlock,
    /// Wallet: the counter is not advanced.
    SequenceNotAdvanced,
    /// Wallet: the counter goes from FFFF to 0000.
    SequenceWraps,
    /// Wallet: only half of a MAC is compared.
    MacHalfCompared,
    /// Wallet: the TAC of a load certifies the balance before it.
    TacOverOldBalance,
    /// Wallet: the proof is kept under the counter before the transaction.
    ProofOfOldSequence,
    /// Wallet: the proof is given whatever sequence number is asked for.
    ProveAnySequence,
    /// Wallet: the proof is given whatever type is asked for.
    ProveAnyType,
    /// Wallet: INITIALIZE destroys the last proof.
    InitialiseForgetsProof,
    /// Wallet: every transaction has the same random number.
    RandomRepeats,
    /// Wallet: a load has no ceiling and wraps.
    CreditWraps,
    /// Wallet: a payment of more than there is leaves nothing.
    DebitSaturates,
    /// Wallet: the whole balance cannot be paid.
    LastFenRefused,
    /// Wallet: the enable flag is not looked at.
    FlagIgnored,
    /// Wallet: an error does not end the transaction under way.
    PendingSurvivesError,
    /// Wallet: another command does not end the transaction under way.
    PendingSurvivesOthers,
    /// Wallet: a reset does not end the transaction under way.
    PendingSurvivesReset,
    /// Wallet: a finished transaction can be finished again.
    PendingSurvivesSuccess,
    /// Wallet: what was verified stays verified after a transaction.
    SecurityStateKept,
    /// PSAM: the terminal sequence number is used up by CREDIT FOR PURCHASE only.
    TerminalSequenceReused,
    /// PSAM: the terminal sequence number is kept in RAM until CREDIT FOR PURCHASE.
    TerminalSequenceVolatile,
    /// PSAM: any number of wrong MAC2 is taken.
    Mac2LimitIgnored,
    /// PSAM: a wrong MAC2 is taken for a right one.
    Mac2NotChecked,
    /// SAM: locking leaves its keys usable.
    SamStaysUnlocked,
    /// SAM: a key is used that the management card does not grant.
    SamMaskIgnored,
    /// SAM: a version below the floor is used.
    SamFloorIgnored,
    /// SAM: an ended grant is taken.
    SamValidityIgnored,
    /// Wallet: a wrong PIN is told although its counter could not be stored.
    PinVerdictBeforeCounter,
    /// Wallet: PIN and keys are compared before a try is spent.
    TryRefundedByCut,
    /// Wallet: a challenge stays good after it was used.
    ChallengeNotConsumed,
    /// Wallet: the challenge before the last one stays good, and not the last one.
    PreviousChallengeAccepted,
    /// Wallet: the MAC of line protection is not checked.
    LineMacSkipped,
    /// Wallet: the MAC of line protection covers the header only.
    LineMacOverHeaderOnly,
    /// Wallet: blocking is acknowledged and not stored.
    BlockNotPersisted,
    /// Wallet: a blocked wallet executes every command.
    BlockIgnored,
    /// Wallet: what was verified stays verified after a reset.
    SecurityStateSurvivesReset,
    /// Terminal: an answer that is lost means that nothing was done.
    LostAnswerTakenForRefusal,
    /// Terminal: an answer that is lost means that it has to be done again.
    LostAnswerPaidAgain,
    /// Terminal: the proof alone decides, whatever the log says.
    ProofAloneDecides,
    /// Host: a purchase that comes twice is booked twice.
    RepeatedPurchaseBooked,
    /// Host: what was taken back is booked when it comes late.
    LateRequestBooked,
    /// Host: what is final can be taken back.
    FinalEntryCancelled,
}

/// Whether this fault is seeded: never, without the feature.
#[cfg(not(feature = "faults"))]
#[must_use]
pub const fn seeded(_: Fault) -> bool {
    false
}

#[cfg(feature = "faults")]
std::thread_local! {
    static SEED: core::cell::Cell<Option<Fault>> = const { core::cell::Cell::new(None) };
}

/// Whether this fault is seeded in the current thread.
#[cfg(feature = "faults")]
#[must_use]
pub fn seeded(fault: Fault) -> bool {
    SEED.get() == Some(fault)
}

/// Seeds a fault in the current thread, or none.
#[cfg(feature = "faults")]
pub fn seed(fault: Option<Fault>) {
    SEED.set(fault);
}
