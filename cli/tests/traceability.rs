//! `docs/traceability.md` against the repository and the shipped scenarios: nothing it names is
//! missing, and no article or scenario is missing from it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every article of both documents, by their headings.
const ARTICLES: [(&str, &[&str]); 2] = [
    (
        "暂行办法",
        &[
            "一(一)", "一(二)", "一(三)", "一(四)", "二(一)", "二(二)", "二(三)", "三(一)",
            "三(二)", "三(三)", "三(四)", "四(一)", "四(二)", "四(三)", "五(一)", "五(二)",
            "五(三)", "五(四)", "六(一)", "六(二)", "六(三)", "六(四)", "六(五)", "六(六)",
            "七(一)", "七(二)",
        ],
    ),
    (
        "操作规程",
        &[
            "一/一",
            "一/二",
            "一/三",
            "一/四",
            "一/五",
            "一/六",
            "一/七",
            "一/八(一)",
            "一/八(二)1",
            "一/八(二)2",
            "一/八(二)3",
            "一/八(三)1",
            "一/八(三)2",
            "一/八(三)3",
            "一/九(一)",
            "一/九(二)",
            "一/九(三)",
            "一/九(四)",
            "一/九(五)",
            "一/九(六)",
            "二/一",
            "二/二",
            "二/三",
            "二/四",
            "二/五",
            "二/六",
            "三/一",
            "三/二",
            "三/三",
            "三/四",
            "三/五",
            "三/六",
            "三/七",
            "四/一",
            "四/二",
            "四/三(一)",
            "四/三(二)",
            "四/四",
            "四/五",
            "四/六",
            "四/七",
            "四/八",
        ],
    ),
];

/// A row of the first table.
#[derive(Debug)]
struct Row {
    article: String,
    code: Vec<String>,
    tests: Vec<String>,
    scenarios: Vec<String>,
}

/// The tables of the page.
#[derive(Debug)]
struct Page {
    rows: Vec<Row>,
    /// Article and why it is left out.
    outside: Vec<(String, String)>,
}

impl Page {
    fn parse(text: &str) -> Self {
        let mut page = Self { rows: Vec::new(), outside: Vec::new() };
        for line in text
            .lines()
            .filter(|line| line.starts_with("| 暂行办法") || line.starts_with("| 操作规程"))
        {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            match cells[..] {
                [article, _, code, tests, scenarios] => page.rows.push(Row {
                    article: article.to_owned(),
                    code: quoted(code),
                    tests: quoted(tests),
                    scenarios: scenarios.split(", ").map(str::to_owned).collect(),
                }),
                [article, _, why] => page.outside.push((article.to_owned(), why.to_owned())),
                _ => panic!("{line}"),
            }
        }
        page
    }

    fn articles(&self) -> impl Iterator<Item = &str> {
        let rows = self.rows.iter().map(|row| row.article.as_str());
        rows.chain(self.outside.iter().map(|(article, _)| article.as_str()))
    }

    /// What it names that is not there; `read` gives a file of the repository.
    fn missing(&self, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut missing = Vec::new();
        for row in &self.rows {
            let files = row.code.iter().filter(|path| read(path).is_none());
            missing.extend(files.map(|path| format!("{}: there is no {path}", row.article)));
            let gone = row.tests.iter().filter(|test| {
                let (path, function) = test.split_once("::").unwrap_or((test, ""));
                !read(path).is_some_and(|text| text.contains(&format!("fn {function}(")))
            });
            missing.extend(gone.map(|test| format!("{}: there is no {test}", row.article)));
            if row.code.is_empty() || row.tests.is_empty() {
                missing.push(format!("{}: names no code or no test", row.article));
            }
        }
        let unfounded = self.outside.iter().filter(|(_, why)| why.is_empty());
        missing.extend(unfounded.map(|(article, _)| format!("{article}: no reason is given")));
        missing
    }

    /// Where page and scenarios, by short name with their articles, disagree.
    fn unplayed(&self, scenarios: &BTreeMap<String, Vec<String>>) -> Vec<String> {
        let mut wrong = Vec::new();
        for row in &self.rows {
            for name in &row.scenarios {
                match scenarios.get(name) {
                    None => wrong.push(format!("{}: there is no scenario {name}", row.article)),
                    Some(claimed) if !claimed.contains(&row.article) => {
                        wrong.push(format!("{}: scenario {name} does not claim it", row.article));
                    }
                    Some(_) => {}
                }
            }
        }
        for (name, articles) in scenarios {
            for article in articles {
                let row = self.rows.iter().find(|row| row.article == *article);
                if !row.is_some_and(|row| row.scenarios.contains(name)) {
                    wrong.push(format!("scenario {name} is not named under {article}"));
                }
            }
        }
        wrong
    }
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The short names of the shipped scenarios, with their articles.
fn scenarios() -> BTreeMap<String, Vec<String>> {
    let folder = fs::read_dir(root().join("cli/scenarios")).unwrap();
    let files = folder.map(|file| file.unwrap().path());
    files
        .map(|file| {
            let table: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
            let articles = table["articles"].as_array().unwrap().iter();
            let name = file.file_stem().unwrap().to_str().unwrap();
            let short = name.split_once('-').map_or(name, |(number, _)| number);
            (short.to_owned(), articles.map(|a| a.as_str().unwrap().to_owned()).collect())
        })
        .collect()
}

fn page() -> Page {
    Page::parse(&fs::read_to_string(root().join("docs/traceability.md")).unwrap())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn every_article_stands_there_once() {
    let page = page();
    let articles: Vec<_> = page.articles().collect();
    let expected: Vec<_> = ARTICLES
        .iter()
        .flat_map(|(document, articles)| articles.iter().map(move |a| format!("{document} {a}")))
        .collect();
    let (given, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (articles.iter().copied().collect(), expected.iter().map(String::as_str).collect());
    assert_eq!(articles.len(), given.len(), "an article stands there twice");
    assert_eq!(given, wanted);
}

#[test]
fn what_it_names_is_there() {
    assert_none(&page().missing(|path| fs::read_to_string(root().join(path)).ok()));
}

#[test]
fn scenarios_and_articles_name_each_other() {
    let scenarios = scenarios();
    assert!(scenarios.len() > 30);
    assert_none(&page().unplayed(&scenarios));
}

/// A page that names what is not there.
#[test]
fn what_is_missing_is_found() {
    let page = Page::parse(
        "| 暂行办法 一(一) | x | `a.rs`, `gone.rs` | `a.rs::here`, `a.rs::gone` | 01, 09 |\n\
         | 暂行办法 一(二) | x | - | - | 01 |\n| 暂行办法 一(三) | x | |",
    );
    let read = |path: &str| (path == "a.rs").then(|| "fn here() {}".to_owned());
    assert_eq!(
        page.missing(read),
        [
            "暂行办法 一(一): there is no gone.rs",
            "暂行办法 一(一): there is no a.rs::gone",
            "暂行办法 一(二): names no code or no test",
            "暂行办法 一(三): no reason is given",
        ]
    );
    let played = BTreeMap::from([(
        "01".to_owned(),
        vec!["暂行办法 一(一)".to_owned(), "暂行办法 一(三)".to_owned()],
    )]);
    assert_eq!(
        page.unplayed(&played),
        [
            "暂行办法 一(一): there is no scenario 09",
            "暂行办法 一(二): scenario 01 does not claim it",
            "scenario 01 is not named under 暂行办法 一(三)",
        ]
    );
}
