use super::{Draws, Purpose};

#[test]
fn purposes_draw_from_different_streams_of_one_seed() {
    let mut streams = [Purpose::Flow, Purpose::ReRequests, Purpose::Line(0), Purpose::Line(1)]
        .map(|purpose| Draws::new(9, purpose).unit());
    streams.sort_by(f64::total_cmp);
    assert!(streams.windows(2).all(|pair| pair[0] < pair[1]), "{streams:?}");
    assert_eq!(Draws::new(9, Purpose::Flow).unit(), Draws::new(9, Purpose::Flow).unit());
    assert_ne!(Draws::new(9, Purpose::Flow).unit(), Draws::new(10, Purpose::Flow).unit());
}

/// Means and variances of the distributions, from any textbook, within five standard errors.
#[test]
fn moments_are_those_of_the_distributions() {
    const N: usize = 100_000;
    let mut draws = Draws::new(1, Purpose::Flow);
    let mut moments = |draw: &mut dyn FnMut(&mut Draws) -> f64| {
        let values: Vec<f64> = (0..N).map(|_| draw(&mut draws)).collect();
        let mean = values.iter().sum::<f64>() / N as f64;
        (mean, values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / N as f64)
    };
    let error = 5.0 / (N as f64).sqrt();
    for (name, (mean, variance), (wanted_mean, wanted_variance), scale) in [
        ("unit", moments(&mut Draws::unit), (0.5, 1.0 / 12.0), 0.3),
        ("normal", moments(&mut Draws::normal), (0.0, 1.0), 1.5),
        ("exponential", moments(&mut |draws| draws.exponential(2.0)), (2.0, 4.0), 12.0),
        ("below", moments(&mut |draws| draws.below(3) as f64), (1.0, 2.0 / 3.0), 1.0),
        ("between", moments(&mut |draws| draws.between(-1.0, 3.0)), (1.0, 4.0 / 3.0), 1.5),
        ("wait", moments(&mut |draws| draws.wait(1000.0).0 as f64 / 1e6), (1.0, 1.0), 3.0),
        ("chance", moments(&mut |draws| f64::from(draws.chance(0.25))), (0.25, 0.1875), 0.5),
    ] {
        assert!((mean - wanted_mean).abs() < error * scale, "{name}: mean {mean}");
        assert!((variance - wanted_variance).abs() < error * scale, "{name}: variance {variance}");
    }
    assert_eq!(draws.below(0), 0);
}
