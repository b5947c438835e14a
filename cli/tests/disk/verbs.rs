//! The verbs that write files, what each needs, and how to tell a whole file.

use std::fs;
use std::path::Path;

/// What a verb does with a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Refuses it.
    Refused,
    /// Replaces it, whatever regular file it is.
    Replaced,
    /// Needs it, and replaces it.
    Needed,
}

/// How a whole file is told from a part of one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whole {
    /// This command ends with 0; `@` stands for the folder.
    Read(&'static str),
    /// It is JSON.
    Json,
    /// It is JSON lines, the last of this type.
    Lines(&'static str),
    /// It ends with this.
    Ends(&'static str),
}

/// A file that a verb writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) name: &'static str,
    pub(crate) existing: Existing,
    pub(crate) whole: Whole,
}

/// A verb.
#[derive(Debug)]
pub(crate) struct Verb {
    /// Its arguments; `@` stands for the folder it writes into, `%` for the one it reads from.
    pub(crate) words: &'static str,
    /// Inputs that are copied into the folder it writes into.
    pub(crate) needs: &'static [&'static str],
    pub(crate) writes: &'static [Written],
    /// Folder it makes, which may be there, empty.
    pub(crate) folder: Option<&'static str>,
}

const fn new(name: &'static str, whole: Whole) -> Written {
    Written { name, existing: Existing::Refused, whole }
}

const fn replaced(name: &'static str, whole: Whole) -> Written {
    Written { name, existing: Existing::Replaced, whole }
}

const fn needed(name: &'static str, whole: Whole) -> Written {
    Written { name, existing: Existing::Needed, whole }
}

const fn verb(words: &'static str, writes: &'static [Written]) -> Verb {
    Verb { words, needs: &[], writes, folder: None }
}

/// Commands that make the inputs.
pub(crate) const INPUTS: [&str; 10] = [
    "card create --profile cpu-aes --serial 1100070100000017 -o %a.card",
    "batch generate --count 60 --seed 1 --out %first",
    "batch generate --count 150 --seed 2 --out %batch",
    "batch accept %first --keys test --history %h",
    "keys generate --kind aes-128 -o %key",
    "keys generate --kind aes-128 -o %kek",
    "list build %csv --keys test --scope 084012 --version 1 --date 2026-09-30 --time 18:00:00 -o %list",
    "list build %csv --keys test --scope 084012 --version 2 --date 2026-10-10 --time 18:00:00 -o %later",
    "card create --profile cpu-sm4 --serial 1100260100000014 -o %personal.card",
    "reader personalise --target emu:%personal.card --pupil %pupil.toml",
];

/// Inputs that are texts.
pub(crate) const TEXTS: [(&str, &str); 2] = [
    (
        "csv",
        "card_serial,kind,reported_date,reported_time,effective,reason,withdrawn_date,\
         withdrawn_time\n1100260100000014,loss,2026-09-30,16:20:00,,,,\n",
    ),
    (
        "pupil.toml",
        "student_number = \"0108401222903175\"\nrecord_type = \"正式\"\nsex = \"男\"\n\
         birth_date = 2010-05-04\nname = \"王小明\"\nname_pinyin = \"Wang Xiaoming\"\n\
         school_name = \"学校\"\ngrade = 10\nschooling_years = 3\nentry_date = 2026-09-01\n\
         valid_until = 2029-08-31\nboarding = \"走读\"\nentry_mode = \"统一招生考试\"\n\
         enrolment_state = \"在校\"\n",
    ),
];

/// The verbs that write files. Traces, which grow as they are written, are not among them.
pub(crate) const VERBS: &[Verb] = &[
    verb(
        "card create --profile cpu-sm4 --serial 1100070100000017 -o @new.card",
        &[new("new.card", Whole::Read("card show @new.card"))],
    ),
    verb("card export --s70 %a.card -o @s70", &[new("s70", Whole::Read("card show @s70"))]),
    Verb {
        words: "reader personalise --target emu:@a.card --pupil %pupil.toml",
        needs: &["a.card"],
        writes: &[needed("a.card", Whole::Read("card show @a.card"))],
        folder: None,
    },
    Verb {
        words: "reader freeze --target emu:@personal.card",
        needs: &["personal.card"],
        writes: &[needed("personal.card", Whole::Read("card show @personal.card"))],
        folder: None,
    },
    verb(
        "keys generate --kind sm4 -o @new.key",
        &[new("new.key", Whole::Read("keys kcv @new.key --kind sm4"))],
    ),
    verb(
        "keys wrap %key --kek %kek --key DF01-01-01-01 -o @wrapped",
        &[new("wrapped", Whole::Ends("\n"))],
    ),
    verb(
        "keys split %key --parts 3 -o @part",
        &[
            new("part-1", Whole::Ends("\n")),
            new("part-2", Whole::Ends("\n")),
            new("part-3", Whole::Ends("\n")),
        ],
    ),
    Verb {
        words: "batch generate --count 150 --out @made",
        needs: &[],
        writes: &[
            new("made/cards.csv", Whole::Ends("\n")),
            new("made/batch.toml", Whole::Read("batch check @made --keys test")),
        ],
        folder: Some("made"),
    },
    Verb {
        words: "batch accept %batch --keys test --history @h --html @r.html --junit @r.xml \
                --csv @r.csv --note @note",
        needs: &["h"],
        writes: &[
            needed("h", Whole::Read("batch history list --history @h")),
            new("r.html", Whole::Ends("</html>")),
            new("r.xml", Whole::Ends("</testsuites>\n")),
            new("r.csv", Whole::Ends("\n")),
            new("note", Whole::Json),
        ],
        folder: None,
    },
    verb(
        "batch accept %first --keys test --history @new",
        &[replaced("new", Whole::Read("batch history log --history @new"))],
    ),
    Verb {
        words: "batch history undo --history @h --batch 202607000001 --reason test",
        needs: &["h"],
        writes: &[needed("h", Whole::Read("batch history log --history @h"))],
        folder: None,
    },
    verb(
        "batch sample %batch --seed 0102 --zero-failure 5 --out @sample",
        &[new("sample", Whole::Json)],
    ),
    verb("batch convert %batch --to parquet --out @copy", &[new("copy", Whole::Ends("PAR1"))]),
    verb("batch convert %batch --to csv --out @copy", &[new("copy", Whole::Ends("\n"))]),
    verb("batch convert %batch --to jsonl --out @copy", &[new("copy", Whole::Ends("}\n"))]),
    verb(
        "list build %csv --keys test --scope 084012 --version 3 --date 2026-10-20 --time 18:00:00 \
         -o @built",
        &[new("built", Whole::Read("list show @built --keys test"))],
    ),
    verb(
        "list diff %list %later --keys test -o @delta",
        &[new("delta", Whole::Read("list show @delta --keys test"))],
    ),
    verb(
        "conformance plan --target emu:cpu-aes --filter LIFE-* -o @plan",
        &[replaced("plan", Whole::Json)],
    ),
    verb(
        "conformance run --target emu:cpu-aes --filter BROKEN-* --html @r.html --junit @r.xml \
         --report @r.jsonl",
        &[
            replaced("r.html", Whole::Ends("</html>")),
            replaced("r.xml", Whole::Ends("</testsuites>\n")),
            replaced("r.jsonl", Whole::Lines("summary")),
        ],
    ),
    Verb {
        words: "man --out @pages",
        needs: &[],
        writes: &[
            replaced("pages/xuejika.1", Whole::Ends("\n")),
            replaced("pages/xuejika-card-create.1", Whole::Ends("\n")),
        ],
        folder: Some("pages"),
    },
];

impl Whole {
    /// Whether a file is whole; `read` runs a command and says whether it ended with 0.
    pub(crate) fn holds(self, path: &Path, read: impl Fn(&str) -> bool) -> bool {
        let bytes = fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        match self {
            Self::Read(command) => read(command),
            Self::Json => json(&text).is_some(),
            Self::Lines(last) => {
                let values: Vec<_> = text.lines().map(json).collect();
                let end = values.last().and_then(Option::as_ref);
                text.ends_with('\n')
                    && values.iter().all(Option::is_some)
                    && end.is_some_and(|value| value["type"] == last)
            }
            Self::Ends(end) => bytes.ends_with(end.as_bytes()),
        }
    }
}
