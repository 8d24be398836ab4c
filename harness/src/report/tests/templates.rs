//! What lies between templates, as it is told.

use super::*;
use crate::results::sample::cell_of_templates;

fn of(variant: &str, templates: &[(u32, u32)]) -> CellSummary {
    cell_of_templates(&key(variant, "panic-alone", ""), templates)
}

fn compared(base: &[(u32, u32)], candidate: &[(u32, u32)]) -> String {
    let comparison = compare(&[of("stock", base)], &[of("patched", candidate)], Options::default()).unwrap();
    compare_table(&comparison, "stock", "patched", TEXT)
}

#[test]
fn a_run_notes_templates_that_differ() {
    let cells = vec![of("stock", &[(10, 10), (0, 10), (9, 10), (10, 10)]), of("patched", &[(10, 10); 4])];
    let summary = Summary { run_id: "run".to_owned(), cells };
    for text in [summary_table(&summary, TEXT), variant_table(&summary, TEXT)] {
        let note = "templates differ: panic-alone stock@6.12 pstore: ICC 0.90, p <0.001\n";
        assert!(text.contains(note), "{text}");
        assert!(!text.contains("patched@6.12 pstore"), "{text}");
    }
    assert!(summary_table(&summary, Format::Markdown).contains("\n\n- templates differ: "));
}

#[test]
fn a_comparison_notes_variance_and_sides_of_one_template() {
    let text = compared(&[(20, 20)], &[(5, 5), (4, 5), (1, 5), (5, 5)]);
    assert!(text.contains("note: base has one template: what its boot decided by chance"), "{text}");
    assert!(!text.contains("candidate has one template"), "{text}");
    assert!(text.contains("note: panic-alone pstore: candidate's 4 templates vary: ICC 0.55, p 0.0"), "{text}");
    assert!(text.contains("\nTemplates: 1 of base, 4 of candidate.\n"), "{text}");
    let text = compared(&[(5, 5); 4], &[(0, 5); 4]);
    assert!(!text.contains("note: ") && text.contains("\nTemplates: 4 of base, 4 of candidate.\n"), "{text}");
    assert!(text.contains("regressed"), "{text}");
}
