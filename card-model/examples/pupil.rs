//! Builds the two records of a pupil from text, as a school's information system exports it, and
//! shows what is said about data that breaks the rules.

use xuejika_card_model::pupil::PupilDraft;

fn main() {
    let some = |text: &str| Some(text.to_owned());
    let mut draft = PupilDraft {
        student_number: some("0108401212801056"),
        record_type: some("正式"),
        sex: some("1"),
        birth_date: some("2014-05-17"),
        name: some("张三"),
        school_name: some("北京市示例中学"),
        grade: some("7"),
        schooling_years: some("3"),
        entry_date: some("2025-09-01"),
        valid_until: some("2028-08-31"),
        boarding: some("1"),
        entry_mode: some("11"),
        enrolment_state: some("0"),
        ..PupilDraft::default()
    };
    match draft.build() {
        Ok(pupil) => println!("EF 07 {:02X?}", pupil.identity.emit()),
        Err(errors) => println!("{errors}"),
    }
    draft.sex = some("3");
    draft.entry_date = some("2025-02-30");
    if let Err(errors) = draft.build() {
        println!("{errors}");
    }
}
