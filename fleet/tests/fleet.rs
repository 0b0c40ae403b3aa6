//! The fleet itself, for real: `cargo test -p promoter-fleet --features processes`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use promoter_fleet::{Error, Fleet, FleetOptions, Process, ProcessError, Program};

fn alive(fleet: &Fleet, process: &str) -> bool {
    fleet
        .processes()
        .iter()
        .any(|status| status.name == process && status.running)
}

#[tokio::test]
async fn a_fleet_is_broken_and_mended() {
    let name = format!("self-test-{}", std::process::id());
    // Spawned, to show that a test may start its fleet in a task.
    let start = tokio::spawn(Fleet::start(
        FleetOptions::named(&name).members(1).host(true),
    ));
    let mut fleet = start.await.unwrap().unwrap();
    let folder = fleet.kubeconfig().ancestors().nth(2).unwrap().to_path_buf();
    assert_eq!(fleet.members(), ["member1"]);

    let host = fleet.host_kubeconfig().unwrap();
    assert!(host.is_file());
    let variables = fleet.environment();
    let variable = variables.iter().find(|(name, _)| name == "KUBECONFIG_HOST");
    assert_eq!(variable.unwrap().1, host.to_string_lossy());

    let same_name = Fleet::start(FleetOptions::named(&name)).await;
    assert!(matches!(same_name, Err(Error::Running(_))), "{same_name:?}");

    fleet.kill("member1-apiserver").await.unwrap();
    assert!(!alive(&fleet, "member1-apiserver"));
    fleet.check().unwrap();
    fleet.restart("member1-apiserver").await.unwrap();
    fleet.until_ready().await.unwrap();

    fleet.restart("host-apiserver").await.unwrap();
    fleet.until_ready().await.unwrap();

    fleet.pause("karmada-scheduler").unwrap();
    assert!(alive(&fleet, "karmada-scheduler"));
    fleet.resume("karmada-scheduler").unwrap();

    assert_eq!(fleet.add_member().await.unwrap(), "member2");
    fleet.until_ready().await.unwrap();

    let attached = Fleet::attach(&name).unwrap();
    assert_eq!(attached.members(), ["member1", "member2"]);
    assert_eq!(attached.host_kubeconfig(), Some(host));
    assert!(alive(&attached, "etcd"));
    drop(attached);
    fleet.check().unwrap();

    programs_run_and_end(&fleet).await;

    let stranger = Fleet::attach(&name).unwrap();
    let theirs = Program::new("/bin/sleep").arguments(["60"]);
    let theirs = stranger.run("theirs", theirs).await.unwrap();
    stranger.kill("member1-kwok").await.unwrap();
    // The kernel tells a process's parent a moment later than everybody else.
    let mut died = fleet.check();
    for _ in 0..100 {
        if died.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        died = fleet.check();
    }
    assert!(
        matches!(&died, Err(Error::Process(ProcessError::Died { name, .. })) if name == "member1-kwok"),
        "{died:?}"
    );
    drop(fleet);
    assert!(!folder.exists());
    // What others have started in it ends with it.
    assert!(!theirs.is_running().unwrap());
    assert!(matches!(Fleet::attach(&name), Err(Error::NotFound(_))));
}

/// What a process has written, once that is so many lines, or after ten seconds all the same.
async fn logged(process: &Process, lines: usize) -> String {
    let mut log = String::new();
    for _ in 0..1000 {
        log = std::fs::read_to_string(process.log()).unwrap();
        if log.lines().count() >= lines {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    log
}

async fn programs_run_and_end(fleet: &Fleet) {
    let sleep = Program::new("/bin/sh").arguments(["-c", "echo $WORD; exec sleep 60"]);
    let process = fleet
        .run("sleeper", sleep.variable("WORD", "hello"))
        .await
        .unwrap();
    let first = process.pid().unwrap();
    assert!(process.is_running().unwrap());
    let waited = tokio::time::timeout(Duration::from_millis(200), process.wait()).await;
    assert!(waited.is_err());
    assert_eq!(logged(&process, 1).await, "hello\n");
    assert!(!process.kill().await.unwrap().unwrap().success());
    process.restart().await.unwrap();
    assert_ne!(process.pid().unwrap(), first);
    assert_eq!(logged(&process, 2).await, "hello\nhello\n");
    process.terminate().await.unwrap();
    fleet.check().unwrap();

    // `env` knows its own variables only: a shell would add some.
    let bare = Program::new("/usr/bin/env")
        .isolated()
        .variable("WORD", "hello");
    let process = fleet.run("bare", bare).await.unwrap();
    process.wait().await.unwrap();
    assert_eq!(
        std::fs::read_to_string(process.log()).unwrap(),
        "WORD=hello\n"
    );

    let failing = Program::new("/bin/sh").arguments(["-c", "exit 3"]);
    let status = fleet.run("failing", failing).await.unwrap().wait().await;
    assert_eq!(status.unwrap().unwrap().code(), Some(3));
}
