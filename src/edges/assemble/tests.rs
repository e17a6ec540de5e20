use super::*;

#[test]
fn places_fit_the_descriptors() {
    let all = |clients, http, metrics, spare| {
        let Places { clients, http, metrics } = Places { clients, http, metrics }.within(spare);
        (clients, http, metrics)
    };
    let within = |clients, http, spare| {
        let (clients, http, metrics) = all(clients, http, 0, spare);
        assert_eq!(metrics, 0);
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
        let (clients, http, metrics) = all(64, 128, 1_000, spare);
        assert!(clients * 2 + http + metrics <= spare, "{spare}: {clients}, {http} and {metrics}");
    }
    assert_eq!(all(0, 0, 16, 900), (0, 0, 16));
    assert_eq!(all(0, 0, 1_000, 901), (0, 0, 450), "half is left to the engine");
}
