//! `completions`, `man`, `--help`.

use super::support::{Desk, run};

#[test]
fn help_lists_the_exit_status() {
    let help = run(&["--help"]).expect(0).out;
    for line in ["Exit status:", "  1  findings", "  4  refused for safety", "tcp://HOST:PORT"] {
        assert!(help.contains(line), "{line} is not in\n{help}");
    }
    run(&[]).expect(2);
    run(&["nonsense"]).expect(2);
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(run(&["completions", shell]).expect(0).out.contains("personalise"), "{shell}");
    }
    run(&["completions", "nonsense"]).expect(2);
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    assert!(run(&["man"]).expect(0).out.contains(".TH xuejika 1"));
    let desk = Desk::new("cpu-aes");
    let folder = desk.path("man").display().to_string();
    run(&["man", "--out", &folder]).expect(0);
    for page in ["xuejika.1", "xuejika-card-show.1", "xuejika-reader-verdict.1"] {
        assert!(desk.path("man").join(page).exists(), "{page}");
    }
}
