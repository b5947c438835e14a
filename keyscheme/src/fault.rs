//! Seeded faults: deliberately wrong behaviour, for tests that must notice.
//!
//! The list stands in the lowest crate, so that every part of a card can have some. Without the cargo
//! feature `faults`, which nothing but tests turns on, [`seeded`] is a constant `false` and no trace
//! of them is left in the program.

macro_rules! faults {
    (
        $(#[$about:meta])* SOAK { $($(#[$doc:meta])* $fault:ident,)* }
        $(#[$others:meta])* CONDUCT { $($(#[$doc_of:meta])* $conduct:ident,)* }
    ) => {
        /// A fault that can be seeded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[$doc])* $fault,)*
            $($(#[$doc_of])* $conduct,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)* $(Self::$conduct),*];

            $(#[$about])*
            pub const SOAK: &[Self] = &[$(Self::$fault),*];

            $(#[$others])*
            pub const CONDUCT: &[Self] = &[$(Self::$conduct),*];
        }
    };
}

faults! {
    /// Those of the memory, the wallet, terminals and hosts: power cuts and ledgers show them.
    SOAK {
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
        /// Wallet: a key without a try left is used.
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

    /// Those that neither power cuts nor the wallet's ledger show: what a card answers shows them.
    CONDUCT {
        /// SAM: locking leaves its keys usable.
        SamStaysUnlocked,
        /// SAM: a key is used that the management card does not grant.
        SamMaskIgnored,
        /// SAM: a version below the floor is used.
        SamFloorIgnored,
        /// SAM: an ended grant is taken.
        SamValidityIgnored,
        /// Authentication: the card's own proof is taken for the reader's.
        ReflectionAccepted,
        /// Authentication: only half of the reader's proof is compared.
        TokenHalfCompared,
        /// Authentication: a challenge stays good after other commands.
        ZoneChallengeReusable,
        /// Authentication: every challenge is the same.
        ZoneChallengeRepeats,
        /// Authentication: the choice of key stays after a wrong proof.
        KeyChoiceSurvivesFailure,
        /// Authentication: a key is chosen under another algorithm than its own.
        AlgorithmNotCompared,
        /// Authentication: a wrong proof is not counted.
        ZoneFailureNotCounted,
        /// Keys: the old version is usable after it was retired.
        FallBackKept,
        /// Keys: a version that is not newer is loaded.
        OldVersionLoaded,
        /// Keys: the check value of a new key is not compared.
        KeyCheckIgnored,
        /// Keys: any key of the education zone loads keys.
        KeyLoadUnderAnyKey,
        /// Keys: a card takes keys in any state.
        DeadCardTakesKeys,
        /// Secure messaging: the checksum of a command is not checked.
        SmMacSkipped,
        /// Secure messaging: only half of the checksum is compared.
        SmMacHalfCompared,
        /// Secure messaging: the command before is taken again.
        SmReplayAccepted,
        /// Secure messaging: the padding indicator is not looked at.
        SmIndicatorIgnored,
        /// Secure messaging: data without padding is taken as it is.
        SmPaddingIgnored,
        /// Secure messaging: any Le outside is taken.
        SmOuterLeIgnored,
        /// Secure messaging: a session goes on after a link failure.
        SmSessionSurvivesError,
        /// Secure messaging: a session goes on after a plain command.
        SmSessionSurvivesPlain,
        /// Secure messaging: commands that come in the clear only are taken in a session.
        PlainOnlyTakenProtected,
        /// Reset leaves the session open.
        SessionSurvivesReset,
        /// Reset leaves the current DF selected.
        SelectionSurvivesReset,
        /// SELECT of a DF leaves the choice of key.
        KeyChoiceSurvivesSelect,
        /// SELECT of a DF leaves an EF current.
        FileSurvivesSelect,
        /// SELECT of a DF leaves what was verified in the wallet.
        SecurityStateSurvivesSelect,
        /// SELECT takes the first bytes of a name for the name.
        PartialNameSelects,
        /// Logical channels are not looked at.
        ChannelIgnored,
        /// An unknown instruction is answered like an unknown class.
        UnknownInstructionAnswersClass,
        /// Any command continues a chain.
        ChainMixed,
        /// A chain has no largest size.
        ChainUnlimited,
        /// A chain carries one byte too many.
        ChainLimitOffByOne,
        /// A link failure leaves a chain under way.
        ChainSurvivesFailure,
        /// GET RESPONSE gives an answer from before another command.
        PendingResponseSurvives,
        /// GET RESPONSE takes any P1 P2.
        GetResponseParametersIgnored,
        /// READ BINARY right behind the end of a file answers nothing.
        OffsetAtEndTaken,
        /// READ BINARY of more than there is answers what there is.
        LeBeyondEndTaken,
        /// READ BINARY looks at the low byte of an offset only.
        OffsetHighByteIgnored,
        /// READ RECORD takes record 0 for the first.
        RecordZeroTaken,
        /// Every file can be read.
        ReadRightIgnored,
        /// Every file can be written.
        UpdateRightIgnored,
        /// The state of the card is not looked at for rights.
        RightStateIgnored,
        /// Any key of a DF has the rights of all.
        AnyKeyOpens,
        /// UPDATE BINARY writes beyond the end of a file.
        UpdateBeyondEnd,
        /// Any school's SAM writes the pupil's data.
        WriterUnitIgnored,
        /// The data of a card in use is made that of another pupil.
        PupilReplaced,
        /// The issuance record is made that of another card.
        ForeignIssuanceTaken,
        /// Life cycle: an event comes under any key.
        EventUnderAnyKey,
        /// Life cycle: an event that the table refuses happens and leaves the state.
        EventInAnyState,
        /// Life cycle: any unit acts on any card.
        UnitRuleIgnored,
        /// Life cycle: the state before is not kept.
        PreviousStateLost,
        /// Life cycle: the counter of changes stands still.
        StatusCounterStuck,
        /// Life cycle: an event is not logged.
        EventNotLogged,
        /// Life cycle: a term is registered as often as it is asked for.
        RegisteredTwice,
        /// Life cycle: what has to be wiped stays.
        WipeOmitted,
        /// Life cycle: a pupil moves with a sector of the school open.
        TransferIgnoresSectors,
        /// Life cycle: a card is recalled with money in the wallet.
        RecallIgnoresWallet,
        /// Extension sectors: an open one is opened for another.
        SectorOpenedTwice,
        /// Extension sectors: the check value of the owner's key is not compared.
        SectorKeyCheckIgnored,
        /// Extension sectors: units that the owner does not cover use them.
        ForeignSectorReadable,
        /// A damaged copy of the status record is not written again.
        StatusNotHealed,
    }
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
