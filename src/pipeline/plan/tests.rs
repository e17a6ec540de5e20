use super::*;

fn cores(count: usize) -> Cores {
    Cores { ids: (0..count).collect(), quota: None }
}

fn map(text: &str) -> Vec<PlannedThread> {
    #[derive(Deserialize)]
    struct Map {
        threads: Vec<PlannedThread>,
    }
    toml::from_str::<Map>(text).expect("a map").threads
}

#[test]
fn the_choice_is_printed_as_one_line() {
    let quota = Cores { ids: (0..8).collect(), quota: Some(2.0) };
    let masked = Cores { ids: vec![3, 6], quota: None };
    let table = [
        (cores(1), "1 core: one thread for all on 0."),
        (cores(2), "2 cores: hot thread on 1 (spins), helper on 0."),
        (cores(3), "3 cores: hot thread on 2 (spins), helper on 0."),
        (cores(4), "4 cores: ingress on 2 (spins), machine+gateway on 3 (spins), helper on 0."),
        (cores(16), "16 cores: ingress on 14 (spins), machine+gateway on 15 (spins), helper on 0."),
        (quota, "2 cores (of 8, by CPU quota): hot thread on 7 (spins), helper on 0."),
        (masked, "2 cores: hot thread on 6 (spins), helper on 3."),
    ];
    for (cores, line) in table {
        assert_eq!(Plan::automatic(&cores).to_string(), line);
    }
}

#[test]
fn every_built_in_plan_passes_its_own_check() {
    for count in 1..=9 {
        for quota in [None, Some(0.3), Some(1.0), Some(2.9), Some(64.0)] {
            let cores = Cores { ids: (10..10 + count).collect(), quota };
            for plan in [Plan::automatic(&cores), Plan::fused(&cores), Plan::pipelined(&cores)] {
                let checked = Plan::explicit(plan.threads().to_vec(), &cores);
                assert_eq!(checked, Ok(plan));
            }
        }
    }
}

#[test]
fn a_map_is_read_and_put_upstream_first() {
    let text = r#"
        [[threads]]
        name = "back"
        stages = ["helper"]
        idle = "park:1ms"
        [[threads]]
        name = "front"
        stages = ["gateway", "ingress", "machine"]
        core = 1
        idle = "spin"
    "#;
    let plan = Plan::explicit(map(text), &cores(2)).expect("good");
    assert_eq!(plan.threads()[0].stages, [Role::Ingress, Role::Machine, Role::Gateway]);
    assert_eq!(plan.to_string(), "2 cores: front on 1 (spins), back on any.");
    assert!(toml::from_str::<PlannedThread>("name = \"a\"\nstages = []\nidle = \"spin\"\ncpu = 1").is_err());
}

#[test]
fn more_spinners_than_can_be_spared_are_refused_with_the_mend() {
    let thread = |name: &str, stages: &[Role], core| planned(name, stages.to_vec(), core, Idle::Spin);
    let threads = vec![
        thread("in", &[Role::Ingress], 0),
        thread("out", &[Role::Machine, Role::Gateway], 1),
        PlannedThread { core: None, ..planned("rest", vec![Role::Helper], 0, Idle::BACKOFF) },
    ];
    let error = Plan::explicit(threads.clone(), &cores(2)).expect_err("two spinners on two cores");
    assert_eq!(
        error.to_string(),
        "2 threads would spin (in, out) on 2 usable core(s), and at most 1 may, so that one core is left for everything \
         else: set idle = \"backoff\" on 1 of them, or put their stages on one thread"
    );
    assert!(Plan::explicit(threads.clone(), &cores(3)).is_ok());
    let quota = Cores { ids: (0..8).collect(), quota: Some(2.0) };
    assert!(matches!(Plan::explicit(threads, &quota), Err(PlanError::TooManySpinners { most: 1, .. })));
}

#[test]
fn other_bad_maps_are_refused() {
    let good = Plan::pipelined(&cores(4)).threads().to_vec();
    let changed = |change: &dyn Fn(&mut Vec<PlannedThread>)| {
        let mut threads = good.clone();
        change(&mut threads);
        Plan::explicit(threads, &cores(4)).expect_err("bad")
    };
    assert_eq!(changed(&|threads| threads.truncate(2)), PlanError::RoleMissing(Role::Helper));
    assert_eq!(changed(&|threads| threads[0].stages.clear()), PlanError::NoStages("ingress".to_owned()));
    assert_eq!(
        changed(&|threads| threads[2].stages.push(Role::Ingress)),
        PlanError::RoleTwice {
            role: Role::Ingress,
            first: "ingress".to_owned(),
            second: "helper".to_owned()
        }
    );
    assert_eq!(
        changed(&|threads| threads[0].core = Some(9)).to_string(),
        "thread ingress wants core 9, which this process may not use: choose from 0, 1, 2, 3, or widen the mask (taskset)"
    );
    assert_eq!(
        changed(&|threads| threads[0].core = Some(3)),
        PlanError::SharedCore { core: 3, first: "ingress".to_owned(), second: "machine+gateway".to_owned() }
    );
}

#[test]
fn threads_that_could_not_end_one_after_the_other_are_refused() {
    let refused = |first: &[Role], second: &[Role]| {
        let threads = vec![
            planned("a", first.to_vec(), 0, Idle::BACKOFF),
            planned("b", second.to_vec(), 1, Idle::BACKOFF),
        ];
        matches!(Plan::explicit(threads, &cores(4)), Err(PlanError::Entangled { .. }))
    };
    use Role::{Gateway, Helper, Ingress, Machine};
    assert!(refused(&[Ingress, Helper], &[Machine, Gateway]), "the helper would miss what lies in the ring");
    assert!(refused(&[Machine, Helper], &[Ingress, Gateway]), "the gateway would leave before the stop");
    assert!(!refused(&[Gateway, Helper], &[Ingress, Machine]));
}
