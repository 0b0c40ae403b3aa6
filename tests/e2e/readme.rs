//! What the README tells to run does what it says.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use promoter_api::promotion::Phase;
use promoter_fleet::Fleet;
use promoter_installation::control_plane::HUB_USER;
use tokio::process::Command;

use crate::support::{
    Before, Promoter, Scene, Workload,
    chart::{Host, User},
    fleet,
};

const README: &str = include_str!("../../README.md");

/// The release and the namespace that the README names.
const NAME: &str = "karmada-promoter";

#[tokio::test]
async fn three_commands_install_hub_and_webhook() -> Result<()> {
    let fleet = fleet::hosted().await?;
    // It has nothing of ours but the type.
    let disable = ["promote", "control-plane", "disable"];
    fleet::run(&fleet, "karmada", "kubectl", &disable).await?;
    let tried = installed(&fleet).await;
    // The other tests' control plane has the fleet's webhook.
    let flags = Promoter::of(&fleet)?.flags();
    let enable = ["promote", "control-plane", "enable", &flags[0], &flags[1]];
    fleet::run(&fleet, "karmada", "kubectl", &enable).await?;
    tried
}

/// Runs the commands, opts a Deployment in and takes all of it away again.
async fn installed(fleet: &Arc<Fleet>) -> Result<()> {
    let user = User::new(&Scene::on(Arc::clone(fleet), "readme-users").await?).await?;
    let commands = commands("With Helm, in three commands")?;
    ensure!(commands.len() == 3, "there are {commands:?}");
    let given = Given::write(fleet)?;

    given.run(&commands[0], "").await?;
    given.run(&commands[1], "").await?;
    // The API server calls an unprivileged port, and this machine runs the pods.
    let here = "--set webhook.service.port=8443,webhook.shutdownDelay=1 \
                --set-json webhook.nodeSelector='{\"kubernetes.io/hostname\":\"this-machine\"}'";
    given.run(&commands[2], here).await?;

    let host = fleet.host_kubeconfig().context("the fleet has no host")?;
    let host = Host::at(Arc::clone(fleet), "host", host, NAME).await?;
    let hub = host.kubelet();
    hub.until_rolled_out(&format!("{NAME}-hub")).await?;
    let member = fleet.member_kubeconfig("member1");
    let member = Host::at(Arc::clone(fleet), "member1", member, NAME).await?;
    let webhook = member.kubelet();
    webhook.until_rolled_out(&format!("{NAME}-webhook")).await?;
    user.until_stamped().await?;
    let scene = Scene::on(Arc::clone(fleet), "readme").await?;
    Workload::typical("web").deploy(&scene, "member1").await?;
    let before = Before::take(&scene, "member1", "web").await?;
    scene.annotate("member1", "web", "true").await?;
    scene.until_phase("web", Phase::Promoted).await?;
    before.assert_untouched().await?;

    for cluster in ["host", "member1"] {
        let uninstall = ["uninstall", NAME, "--namespace", NAME];
        fleet::run(fleet, cluster, "helm", &uninstall).await?;
    }
    hub.until_idle().await?;
    webhook.until_idle().await?;
    let left = host.objects().await?;
    let is_given = |name: &String| name.ends_with("/karmada-promoter-kubeconfig");
    ensure!(
        !left.iter().any(is_given),
        "the kubeconfig is left: {left:?}"
    );
    Ok(())
}

/// The folder in which somebody runs the commands, with the files that they name.
struct Given<'a> {
    fleet: &'a Fleet,
    folder: PathBuf,
}

impl<'a> Given<'a> {
    fn write(fleet: &'a Fleet) -> Result<Self> {
        let folder = fleet.kubeconfig().with_file_name("readme");
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(fleet.kubeconfig(), folder.join("karmada.yaml"))?;
        let promoter = fleet.user_kubeconfig("karmada", HUB_USER, None)?;
        std::fs::copy(promoter, folder.join("promoter.yaml"))?;
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts");
        std::os::unix::fs::symlink(charts, folder.join("charts"))?;
        Ok(Self { fleet, folder })
    }

    /// Runs a command as it stands, and with what only the fleet needs.
    async fn run(&self, command: &str, more: &str) -> Result<()> {
        let fleet = self.fleet;
        let host = fleet.host_kubeconfig().context("the fleet has no host")?;
        let kubeconfigs = std::env::join_paths([host, fleet.member_kubeconfig("member1")])?;
        let path = std::env::join_paths([fleet.programs(), fleet::plugins()])?;
        let output = Command::new("/bin/sh")
            .args(["-euc", &format!("{command} {more}")])
            .current_dir(&self.folder)
            .env("KUBECONFIG", kubeconfigs)
            .env("KUBECACHEDIR", self.folder.join("cache"))
            .env("PATH", path)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = output
            .await
            .with_context(|| format!("cannot run {command}"))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command} failed: {error}");
        Ok(())
    }
}

/// The commands of the first block after these words, each on one line or more.
fn commands(after: &str) -> Result<Vec<String>> {
    let (_, rest) = README
        .split_once(after)
        .context("the README says that no more")?;
    let lines = rest.lines().skip_while(|line| !line.starts_with("    "));
    let mut commands = Vec::<String>::new();
    let mut goes_on = false;
    for line in lines.map_while(|line| line.strip_prefix("    ")) {
        match commands.last_mut().filter(|_| goes_on) {
            Some(command) => *command = format!("{command}\n{line}"),
            None => commands.push(line.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    Ok(commands)
}
