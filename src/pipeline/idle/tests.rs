use super::*;

#[test]
fn strategies_are_read_and_written() {
    let micros = Duration::from_micros;
    let table = [
        ("spin", Ok(Idle::Spin), "spin"),
        ("yield", Ok(Idle::Yield), "yield"),
        ("backoff", Ok(Idle::Backoff(micros(50))), "backoff:50us"),
        ("backoff:7us", Ok(Idle::Backoff(micros(7))), "backoff:7us"),
        ("park", Ok(Idle::Park(micros(50))), "park:50us"),
        ("park:2ms", Ok(Idle::Park(micros(2_000))), "park:2000us"),
        ("park:10ms", Ok(Idle::Park(MAX_PARK)), "park:10000us"),
    ];
    for (text, expected, written) in table {
        let read: Result<Idle, IdleError> = text.parse();
        assert_eq!(read, expected, "{text}");
        let idle = read.expect("checked above");
        assert_eq!(idle.to_string(), written);
        assert_eq!(written.parse(), Ok(idle), "what is written can be read");
    }
}

#[test]
fn what_is_no_strategy_is_refused_with_the_mend() {
    for text in ["", "Spin", "sleep", "spin:5us", "yield:1ms", ":5us"] {
        assert_eq!(text.parse::<Idle>(), Err(IdleError::Unknown(text.to_owned())), "{text}");
    }
    for text in [
        "park:",
        "park:5",
        "park:0us",
        "park:11ms",
        "park:-1us",
        "park:1.5ms",
        "backoff:99999999999999999999ms",
    ] {
        assert_eq!(text.parse::<Idle>(), Err(IdleError::Time(text.to_owned())), "{text}");
    }
    let message = IdleError::Unknown("sleep".to_owned()).to_string();
    assert!(message.contains("`sleep`") && message.contains("backoff"), "{message}");
}

#[test]
fn configurations_hold_them_as_text() {
    #[derive(Deserialize, Serialize)]
    struct Holder {
        idle: Idle,
    }
    let holder: Holder = toml::from_str("idle = \"backoff:20us\"").expect("a strategy");
    assert_eq!(holder.idle, Idle::Backoff(Duration::from_micros(20)));
    assert_eq!(toml::to_string(&holder).expect("text"), "idle = \"backoff:20us\"\n");
    assert!(toml::from_str::<Holder>("idle = \"nap\"").is_err());
}

#[test]
fn backoff_spins_then_yields_then_parks_and_starts_over_after_work() {
    let park = Duration::from_micros(5);
    let mut idler = Idler::new(Idle::Backoff(park));
    let rests: Vec<Rest> = (0..SPIN_ROUNDS + YIELD_ROUNDS + 2).map(|_| idler.rest(0)).collect();
    let count = |rest| rests.iter().filter(|found| **found == rest).count();
    assert_eq!(count(Rest::Pause), SPIN_ROUNDS as usize);
    assert_eq!(count(Rest::Yield), YIELD_ROUNDS as usize);
    assert_eq!(rests.last(), Some(&Rest::Park(park)));
    assert_eq!(idler.rest(1), Rest::None);
    assert_eq!(idler.rest(0), Rest::Pause);
}

#[test]
fn the_other_strategies_do_one_thing() {
    let park = Duration::from_micros(5);
    for (idle, rest) in
        [(Idle::Spin, Rest::Pause), (Idle::Yield, Rest::Yield), (Idle::Park(park), Rest::Park(park))]
    {
        let mut idler = Idler::new(idle);
        for _ in 0..1_000 {
            assert_eq!(idler.rest(0), rest);
        }
        assert_eq!(idler.rest(3), Rest::None);
        idler.after(0);
        assert_eq!(idle.spins(), idle == Idle::Spin);
    }
}
