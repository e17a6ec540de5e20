use super::*;

#[test]
fn the_stolen_part_is_the_eighth_number_of_the_first_line() {
    // user nice system idle iowait irq softirq steal guest guest_nice, proc(5).
    let stat = "cpu  100 0 50 800 10 0 20 20 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
    assert_eq!(stolen(stat), Some(0.02));
    assert_eq!(stolen("cpu  1 2 3\n"), None);
    assert_eq!(stolen(""), None);
}

#[test]
fn placement_has_a_word() {
    assert_eq!(place(None), "one core");
    assert_eq!(place(Some(131.0)), "near");
    assert_eq!(place(Some(371.0)), "far");
}
