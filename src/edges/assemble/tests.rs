use super::*;

#[test]
fn places_fit_the_descriptors() {
    let within = |clients, http, spare| {
        let Places { clients, http } = Places { clients, http }.within(spare);
        (clients, http)
    };
    assert_eq!(within(64, 128, 1_000), (64, 128));
    assert_eq!(within(64, 128, 200), (49, 99), "half for each");
    assert_eq!(within(64, 128, 60), (14, 29));
    assert_eq!(within(0, 128, 60), (0, 58));
    assert_eq!(within(64, 0, 60), (29, 0));
    for spare in 0..300 {
        let (clients, http) = within(64, 128, spare);
        assert!(clients * 2 + http <= spare, "{spare}: {clients} and {http}");
    }
}
