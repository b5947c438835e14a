//! `wallet`: a terminal, a load host and the operator's desk, all with test keys: the published ones
//! or an operator's own.

mod args;
mod report;

pub(crate) use args::{Amount, WalletCommand};

use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::factory;
use xuejika_card_model::file::tree::wallet_sfi;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::psam::{PsamIssue, PsamKey};
use xuejika_card_model::wallet::EnableFlag;
use xuejika_emulator::Env;
use xuejika_keyscheme::legacy::{Moment, NoWalletRoot, WalletRoots};
use xuejika_reader::channel::trace::{Tap, Trace};
use xuejika_reader::wallet::psam::{CardPsam, Psam, PsamError, SoftPsam};
use xuejika_reader::wallet::{
    CacheRecord, CacheUpdate, Debited, Direction, Fate, HostError, InDoubt, Meaning, Order, Pin,
    SoftLoadHost, Stopped, Terminal, WalletCard, WalletError,
};

use crate::clock;
use crate::exit::{Code, Failure, Outcome, say};
use crate::keys;
use crate::output::Output;
use crate::recorder;
use crate::target::Channel;
use crate::trace::Traced;

use args::{CappArgs, ProveArgs, ProveWhat, PsamArg, PurchaseArgs, TransferArgs, WalletArgs};
use report::{
    BalanceReport, DoubtReport, FateReport, LogReport, RefundReport, RefusalReport,
    TransactionReport,
};

/// The test PSAM counts its seconds from here.
const PSAM_EPOCH: (u16, u8, u8) = (2020, 1, 1);

/// Does one operation; what the card refuses is a finding.
pub(crate) fn run(command: &WalletCommand, out: &Output) -> Outcome<Code> {
    // An input that cannot be used is found before the card is touched.
    let pin = command.pin()?;
    let mut desk = Desk::open(command.wallet(), out)?;
    let result = desk.run(command, &pin, out);
    if out.verbose {
        desk.channel.take().into_iter().for_each(say);
    }
    match result {
        Ok(code) => Ok(code),
        Err(End::Failed(failure)) => Err(failure),
        Err(End::Refused(why)) => {
            let flag = desk.flag_behind(&why);
            out.report(&RefusalReport::new(command.name(), &why, flag))?;
            Ok(Code::Findings)
        }
        Err(End::InDoubt(doubt, cause)) => {
            out.report(&DoubtReport::new(command.name(), &doubt, &cause))?;
            Ok(Code::Device)
        }
    }
}

/// Why an operation ended.
enum End {
    /// Card, PSAM or host refused.
    Refused(Stopped),
    /// The answer was lost and the card is gone.
    InDoubt(InDoubt, WalletError),
    /// It came to no answer.
    Failed(Failure),
}

impl From<WalletError> for End {
    fn from(error: WalletError) -> Self {
        match error {
            WalletError::Channel(error) | WalletError::Psam(PsamError::Channel(error)) => {
                Self::Failed(error.into())
            }
            WalletError::NoWallet
            | WalletError::Malformed(_)
            | WalletError::Psam(PsamError::Memory | PsamError::Malformed(_))
            | WalletError::Host(HostError::Unreachable) => Self::Failed(Failure::device(error)),
            error => Self::Refused(error.into()),
        }
    }
}

impl From<Stopped> for End {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::NotDone(error) => error.into(),
            Stopped::InDoubt { doubt, cause } => Self::InDoubt(doubt, cause),
            other => Self::Refused(other),
        }
    }
}

impl From<PsamError> for End {
    fn from(error: PsamError) -> Self {
        WalletError::from(error).into()
    }
}

impl From<NoWalletRoot> for End {
    fn from(error: NoWalletRoot) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a wallet operation works at: the card in the field, and the clock.
struct Desk<'a> {
    args: &'a WalletArgs,
    roots: WalletRoots,
    env: Env,
    date: Date,
    time: Time,
    channel: Traced<Channel>,
    trace: Trace,
}

/// The card on the desk.
type Wallet<'c> = WalletCard<&'c mut Traced<Channel>>;

impl<'a> Desk<'a> {
    fn open(args: &'a WalletArgs, out: &Output) -> Outcome<Self> {
        let roots = args.roots()?;
        let trace = out.trace.clone();
        let mut env = recorder::env(&trace, args.card.seed)?;
        let (date, time) = clock::stamp(&env, args.date, args.time)?;
        let channel = args.card.target.open(&mut env, &trace, "card")?;
        let channel = Traced::new(channel, Tap::default(), out.language);
        keys::announce_in(&roots);
        Ok(Self { args, roots, env, date, time, channel, trace })
    }

    fn run(&mut self, command: &WalletCommand, pin: &Pin, out: &Output) -> Result<Code, End> {
        match command {
            WalletCommand::Balance(_) => self.balance("balance", out),
            WalletCommand::Log(_) => self.log(out),
            WalletCommand::Open(_) => self.switch("open", EnableFlag::Open, out),
            WalletCommand::Stop(_) => self.switch("stop", EnableFlag::Suspended, out),
            WalletCommand::Resume(_) => self.switch("resume", EnableFlag::Open, out),
            WalletCommand::Load(args) => self.transfer(Direction::Load, args, pin, out),
            WalletCommand::Unload(args) => self.transfer(Direction::Unload, args, pin, out),
            WalletCommand::Purchase(args) => self.pay(args, &[], out),
            WalletCommand::Capp(args) => self.compound(args, out),
            WalletCommand::Prove(args) => self.prove(args, out),
            WalletCommand::Refund(_) => self.refund(pin, out),
        }
    }

    fn wallet(&mut self) -> Result<Wallet<'_>, End> {
        Ok(WalletCard::select(&mut self.channel)?)
    }

    /// The enable flag, when it may be why the card refused.
    fn flag_behind(&mut self, why: &Stopped) -> Option<EnableFlag> {
        match why {
            Stopped::NotDone(error) if error.meaning() == Some(Meaning::ConditionsOfUse) => {
                self.wallet().ok()?.flag().ok()
            }
            _ => None,
        }
    }

    const fn at(&self) -> Moment {
        Moment { date: self.date.bytes(), time: self.time.bytes() }
    }

    fn balance(&mut self, operation: &'static str, out: &Output) -> Result<Code, End> {
        let mut wallet = self.wallet()?;
        let (balance, flag) = (wallet.balance()?, wallet.flag()?);
        out.report(&BalanceReport::new(operation, wallet.number(), balance, flag))?;
        Ok(Code::AsExpected)
    }

    fn log(&mut self, out: &Output) -> Result<Code, End> {
        let mut wallet = self.wallet()?;
        let (balance, log) = (wallet.balance()?, wallet.log()?);
        out.report(&LogReport::new(wallet.number(), balance, &log))?;
        Ok(Code::AsExpected)
    }

    /// Sets the enable flag as the operator.
    fn switch(
        &mut self,
        operation: &'static str,
        flag: EnableFlag,
        out: &Output,
    ) -> Result<Code, End> {
        let mut operator = SoftLoadHost::new(&self.roots)?;
        self.wallet()?.set_flag(&mut operator, flag)?;
        self.balance(operation, out)
    }

    fn transfer(
        &mut self,
        direction: Direction,
        args: &TransferArgs,
        pin: &Pin,
        out: &Output,
    ) -> Result<Code, End> {
        let (amount, terminal, at) = (args.amount.0, self.args.terminal, self.at());
        let mut host = SoftLoadHost::new(&self.roots)?;
        let mut wallet = self.wallet()?;
        wallet.verify(pin)?;
        let ended = wallet.transfer(&mut host, direction, amount, terminal, at);
        let done = self.again(ended, |wallet, doubt| wallet.settle_online(&mut host, doubt))?;
        out.report(&TransactionReport::transferred(direction, &done))?;
        Ok(Code::AsExpected)
    }

    fn compound(&mut self, args: &CappArgs, out: &Output) -> Result<Code, End> {
        let length = u8::try_from(args.data.0.len()).map_err(|_| {
            Failure::usage(anyhow::anyhow!("--data: {} bytes fit no record", args.data.0.len()))
        })?;
        let record = [&[args.record, length], &*args.data.0].concat();
        let update = CacheUpdate {
            file: wallet_sfi::COMPOUND,
            record: CacheRecord::Tag(args.record),
            data: &record,
        };
        self.pay(&args.purchase, &[update], out)
    }

    fn pay(
        &mut self,
        args: &PurchaseArgs,
        cache: &[CacheUpdate<'_>],
        out: &Output,
    ) -> Result<Code, End> {
        let order = Order { amount: args.amount.0, at: self.at(), cache };
        let done = match &args.psam {
            PsamArg::Test => {
                let psam = self.test_psam()?;
                self.purchase(psam, &order)?
            }
            PsamArg::Card(target) => {
                let psam = CardPsam::new(target.open(&mut self.env, &self.trace, "PSAM")?)?;
                self.purchase(psam, &order)?
            }
        };
        out.report(&TransactionReport::paid(&done))?;
        Ok(Code::AsExpected)
    }

    fn purchase<P: Psam>(&mut self, psam: P, order: &Order<'_>) -> Result<Debited, End> {
        let mut terminal = Terminal::new(psam)?;
        let ended = terminal.purchase(&mut self.wallet()?, order);
        Ok(self.again(ended, |wallet, doubt| terminal.settle(wallet, doubt))?)
    }

    /// A PSAM with the keys of the command. It has no memory, so its number comes from the clock and the
    /// card: seconds since 2020 and the purchases the card has counted. That grows with every
    /// purchase of one card, several in one second included.
    fn test_psam(&mut self) -> Result<SoftPsam, End> {
        let log = self.wallet()?.log()?;
        let counted = log.iter().find(|record| Direction::of(record.kind).is_none());
        let counted = counted.map_or(0, |record| record.sequence);
        let (year, month, day) = PSAM_EPOCH;
        let epoch = Date::new(year, month, day).map_err(Failure::device)?;
        let [hour, minute, second] =
            self.time.bytes().map(|byte| u32::from(byte >> 4) * 10 + u32::from(byte & 0x0F));
        let days = u32::try_from(epoch.days_until(self.date)).unwrap_or(0);
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        let issue = PsamIssue::test(self.args.terminal).map_err(Failure::device)?;
        let issue = PsamIssue { sequence: seconds + u32::from(counted), ..issue };
        let key = PsamKey::purchase(&self.roots)?;
        let memory = RamNvm::new(factory::psam(&issue, &[key]));
        let psam = SoftPsam::open(memory).map_err(Failure::device)?;
        psam.ok_or_else(|| Failure::device(PsamError::Memory).into())
    }

    /// When a transaction ended in doubt and the card is behind a connection that can be made anew,
    /// makes it and settles.
    fn again<T>(
        &mut self,
        ended: Result<T, Stopped>,
        settle: impl FnOnce(&mut Wallet<'_>, InDoubt) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        let target = &self.args.card.target;
        let (doubt, cause) = match ended {
            // In process the card was asked already, and a fresh one would be another card.
            Err(Stopped::InDoubt { doubt, cause }) if target.is_remote() => (doubt, cause),
            ended => return ended,
        };
        let Ok(channel) = target.open(&mut self.env, &self.trace, "card") else {
            return Err(Stopped::InDoubt { doubt, cause });
        };
        *self.channel.channel() = channel;
        match WalletCard::select(&mut self.channel) {
            Ok(mut wallet) => settle(&mut wallet, doubt),
            Err(cause) => Err(Stopped::InDoubt { doubt, cause }),
        }
    }

    fn prove(&mut self, args: &ProveArgs, out: &Output) -> Result<Code, End> {
        let mut wallet = self.wallet()?;
        let (transaction, fate) = match args.what() {
            ProveWhat::Doubt(doubt) => (Some(*doubt.transaction()), wallet.ask(doubt)?),
            ProveWhat::Number(kind, sequence) => {
                let proof = wallet.prove(kind, sequence)?;
                (None, proof.map_or(Fate::NotDone, Fate::Done))
            }
        };
        out.report(&FateReport::new(wallet.number(), transaction.as_ref(), &fate))?;
        Ok(Code::of(fate != Fate::NotDone))
    }

    fn refund(&mut self, pin: &Pin, out: &Output) -> Result<Code, End> {
        let (terminal, at) = (self.args.terminal, self.at());
        let mut host = SoftLoadHost::new(&self.roots)?;
        let ended = self.wallet()?.refund(&mut host, pin, terminal, at);
        let settle = |wallet: &mut Wallet<'_>, doubt| {
            let done = wallet.settle_online(&mut host, doubt)?;
            wallet.set_flag(&mut host, EnableFlag::Closed)?;
            Ok(Some(done))
        };
        let done = self.again(ended, settle)?;
        let mut wallet = self.wallet()?;
        out.report(&RefundReport::new(wallet.number(), done.as_ref(), wallet.flag()?))?;
        Ok(Code::AsExpected)
    }
}
