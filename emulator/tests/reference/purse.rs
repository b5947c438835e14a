//! Purse transactions: section 17 of the card profile.

use super::card::{Answer, RefCard};
use super::command::{Command, Name};
use super::files::{Body, Proof, WALLET};
use super::tdes::{Des, Tdes, folded};

/// Types of transactions.
pub(crate) const LOAD: u8 = 2;
pub(crate) const UNLOAD: u8 = 3;
pub(crate) const PURCHASE: u8 = 6;
pub(crate) const COMPOUND: u8 = 9;

/// The most a purse holds.
const CEILING: u32 = 100_000;

/// What INITIALIZE began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) kind: u8,
    pub(crate) amount: u32,
    pub(crate) terminal: [u8; 6],
    pub(crate) random: [u8; 4],
    pub(crate) counter: u16,
    /// Records to be written with the debit.
    pub(crate) cached: Vec<(usize, Vec<u8>)>,
}

/// Key of a transaction.
pub(crate) fn key_of(kind: u8) -> u8 {
    match kind {
        LOAD => 0x3F,
        UNLOAD => 0x3D,
        _ => 0x3E,
    }
}

impl RefCard {
    pub(crate) fn purse_command(
        &mut self,
        name: Name,
        command: &Command,
        transaction: Option<Transaction>,
    ) -> Answer {
        match name {
            Name::Balance => {
                command.parameters(0, 2)?;
                command.no_data()?;
                command.exact_le_if_any(4)?;
                Ok(self.purse.balance.to_be_bytes().to_vec())
            }
            Name::Initialise => self.initialise(command, transaction),
            Name::Credit => self.credit(command, transaction),
            Name::Debit => self.debit(command, transaction),
            Name::Cache => self.cache(command, transaction),
            _ => self.prove(command),
        }
    }

    fn initialise(&mut self, command: &Command, under_way: Option<Transaction>) -> Answer {
        let kind = match (command.p1, command.p2) {
            (0, 2) => LOAD,
            (1, 2) => PURCHASE,
            (3, 2) => COMPOUND,
            (5, 2) => UNLOAD,
            _ => return Err(0x6A86),
        };
        let online = matches!(kind, LOAD | UNLOAD);
        command.length(11)?;
        command.exact_le_if_any(if online { 16 } else { 15 })?;
        match under_way {
            Some(it) if it.kind == COMPOUND || kind == COMPOUND => return Err(0x6901),
            _ => {}
        }
        if command.data[0] != 1 {
            return Err(0x9403);
        }
        if online && self.v.df_register == 0 {
            return Err(0x6982);
        }
        if self.wallet_keys[&key_of(kind)].tries == 0 {
            return Err(0x6983);
        }
        let flag = self.bytes(WALLET, 5)[0];
        let enabled = match kind {
            LOAD => flag < 2,
            UNLOAD => matches!(flag, 1 | 2),
            _ => flag == 1,
        };
        if !enabled {
            return Err(0x6985);
        }
        let counter = if online { self.purse.online } else { self.purse.offline };
        if counter == 0xFFFF {
            return Err(0x9402);
        }
        let balance = self.purse.balance;
        let amount = u32::from_be_bytes(command.data[1..5].try_into().unwrap());
        if kind == LOAD && u64::from(balance) + u64::from(amount) > u64::from(CEILING) {
            return Err(0x6985);
        }
        if kind != LOAD && amount > balance {
            return Err(0x9401);
        }
        let terminal = command.data[5..11].try_into().unwrap();
        let random = self.random::<4>();
        let begun = Transaction { kind, amount, terminal, random, counter, cached: Vec::new() };
        let mut answer = [&balance.to_be_bytes()[..], &counter.to_be_bytes()].concat();
        if online {
            let mac1 = self.session_key(&begun, [0x80, 0]).mac(
                &[&balance.to_be_bytes()[..], &amount.to_be_bytes(), &[kind], &terminal].concat(),
            );
            answer.extend([&[1, 0][..], &random, &mac1].concat());
        } else {
            answer.extend([&[0, 0, 0, 1, 0][..], &random].concat());
        }
        self.v.transaction = Some(begun);
        Ok(answer)
    }

    /// E(K, random ‖ counter ‖ these two bytes), a key of single DES.
    pub(crate) fn session_key(&self, of: &Transaction, end: [u8; 2]) -> Des {
        let key = Tdes::new(self.wallet_keys[&key_of(of.kind)].key);
        let [h, l] = of.counter.to_be_bytes();
        let [a, b, c, d] = of.random;
        Des::new(key.encrypt([a, b, c, d, h, l, end[0], end[1]]))
    }

    fn tac_key(&self) -> Des {
        folded(self.wallet_keys[&0x34].key)
    }

    /// A try of the key of a load or an unload: spent before the MAC is compared.
    fn spend(&mut self, kind: u8, right: bool) -> Result<(), u16> {
        let key = self.wallet_keys.get_mut(&key_of(kind)).unwrap();
        key.tries = key.tries.checked_sub(1).ok_or(0x6983_u16)?;
        if right { Ok(()) } else { Err(0x9302) }
    }

    /// The code the other side makes of a transaction, behind which date and time come.
    pub(crate) fn consent(&self, of: &Transaction, when: &[u8]) -> [u8; 4] {
        let session = self.session_key(of, [0x80, 0]);
        session.mac(&[&of.amount.to_be_bytes()[..], &[of.kind], &of.terminal, when].concat())
    }

    fn credit(&mut self, command: &Command, transaction: Option<Transaction>) -> Answer {
        command.parameters(0, 0)?;
        command.length(11)?;
        command.exact_le_if_any(4)?;
        let load = transaction.filter(|it| it.kind == LOAD).ok_or(0x6901_u16)?;
        let when = &command.data[..7];
        self.spend(LOAD, command.data[7..] == self.consent(&load, when))?;
        let balance = self.purse.balance + load.amount;
        let tac = self.tac_key().mac(&certified(balance, &load, when));
        if self.bytes(WALLET, 5)[0] == 0 {
            self.bytes_mut(WALLET, 5)[0] = 1;
        }
        self.finish(&load, balance, when, ([0; 4], tac));
        Ok(tac.to_vec())
    }

    fn debit(&mut self, command: &Command, transaction: Option<Transaction>) -> Answer {
        match (command.p1, command.p2) {
            (1, 0) => self.pay(command, transaction),
            (3, 0) => self.unload(command, transaction),
            _ => Err(0x6A86),
        }
    }

    fn unload(&mut self, command: &Command, transaction: Option<Transaction>) -> Answer {
        command.length(11)?;
        command.exact_le_if_any(4)?;
        let unload = transaction.filter(|it| it.kind == UNLOAD).ok_or(0x6901_u16)?;
        let when = &command.data[..7];
        self.spend(UNLOAD, command.data[7..] == self.consent(&unload, when))?;
        let balance = self.purse.balance - unload.amount;
        let mac3 = self.session_key(&unload, [0x80, 0]).mac(&certified(balance, &unload, when));
        if balance == 0 && self.bytes(WALLET, 5)[0] == 2 {
            self.bytes_mut(WALLET, 5)[0] = 3;
        }
        self.finish(&unload, balance, when, (mac3, [0; 4]));
        Ok(mac3.to_vec())
    }

    fn pay(&mut self, command: &Command, transaction: Option<Transaction>) -> Answer {
        command.length(15)?;
        command.exact_le_if_any(8)?;
        let purchase = transaction
            .filter(|it| it.kind == PURCHASE || (it.kind == COMPOUND && !it.cached.is_empty()))
            .ok_or(0x6901_u16)?;
        let (sequence, when) = (&command.data[..4], &command.data[4..11]);
        let session = self.session_key(&purchase, [sequence[2], sequence[3]]);
        let head = [&purchase.amount.to_be_bytes()[..], &[purchase.kind], &purchase.terminal];
        if command.data[11..] != session.mac(&[&head.concat(), when].concat()) {
            return Err(0x9302);
        }
        let mac2 = session.mac(&purchase.amount.to_be_bytes());
        let tac = self.tac_key().mac(&[&head.concat(), sequence, when].concat());
        for (index, record) in &purchase.cached {
            self.records_mut(WALLET, 0x19)[*index].clone_from(record);
        }
        let balance = self.purse.balance - purchase.amount;
        self.finish(&purchase, balance, when, (mac2, tac));
        Ok([tac, mac2].concat())
    }

    /// Everything that changes with a finished transaction.
    fn finish(
        &mut self,
        of: &Transaction,
        balance: u32,
        when: &[u8],
        (mac, tac): ([u8; 4], [u8; 4]),
    ) {
        let sequence = of.counter + 1;
        match of.kind {
            LOAD | UNLOAD => self.purse.online = sequence,
            _ => self.purse.offline = sequence,
        }
        self.purse.balance = balance;
        self.purse.proof = Proof { kind: of.kind, sequence, mac, tac };
        let amount = of.amount.to_be_bytes();
        let log =
            [&sequence.to_be_bytes()[..], &[0, 0, 0], &amount, &[of.kind], &of.terminal, when]
                .concat();
        self.append(WALLET, 0x18, 10, log);
        self.wallet_keys.get_mut(&key_of(of.kind)).unwrap().tries = 3;
        self.v.df_register = 0;
    }

    fn cache(&mut self, command: &Command, transaction: Option<Transaction>) -> Answer {
        let mode = command.p2 & 7;
        if !matches!(mode, 0 | 4) {
            return Err(0x6A86);
        }
        command.no_le()?;
        if command.data.is_empty() {
            return Err(0x6700);
        }
        let mut purchase = transaction.filter(|it| it.kind == COMPOUND).ok_or(0x6901_u16)?;
        let file = super::files::files(WALLET).iter().find(|file| file.sfi == command.p2 >> 3);
        let fid = file.ok_or(0x6A82_u16)?.fid;
        let records = match self.files.get(&(WALLET, fid)) {
            Some(Body::Records(records)) if fid == 0x19 => records,
            _ => return Err(0x6981),
        };
        let index = if mode == 0 {
            records.iter().position(|record| record[0] == command.p1)
        } else {
            usize::from(command.p1).checked_sub(1).filter(|index| *index < records.len())
        };
        let index = index.ok_or(0x6A83_u16)?;
        let record = &records[index];
        if command.data.len() > record.len() {
            return Err(0x6A84);
        }
        let length = command.data.get(1).map(|length| usize::from(*length) + 2);
        if command.data[0] != record[0] || length != Some(command.data.len()) {
            return Err(0x6A80);
        }
        let mut after = command.data.clone();
        after.resize(record.len(), 0);
        purchase.cached.push((index, after));
        self.v.transaction = Some(purchase);
        Ok(Vec::new())
    }

    fn prove(&self, command: &Command) -> Answer {
        if command.p1 != 0 || !matches!(command.p2, 1..=7 | 9) {
            return Err(0x6A86);
        }
        command.length(2)?;
        command.exact_le_if_any(8)?;
        let Proof { kind, sequence, mac, tac } = &self.purse.proof;
        if *kind != command.p2 || sequence.to_be_bytes() != command.data[..] {
            return Err(0x9406);
        }
        Ok([*mac, *tac].concat())
    }
}

/// What the code over a finished load or unload covers.
fn certified(balance: u32, of: &Transaction, when: &[u8]) -> Vec<u8> {
    let (balance, counter) = (balance.to_be_bytes(), of.counter.to_be_bytes());
    let amount = of.amount.to_be_bytes();
    [&balance[..], &counter, &amount, &[of.kind], &of.terminal, when].concat()
}
