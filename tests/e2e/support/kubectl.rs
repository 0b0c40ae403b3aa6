//! kubectl as a user of a member runs it, with all that it says.

use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use super::{Answer, LIMIT, Rules, Scene, fleet, kept};

/// A user of a member, by kubectl, in a scene's namespace.
pub(crate) struct Kubectl<'a> {
    member: &'a str,
    scene: &'a Scene,
    /// Nobody, where it is the administrator.
    user: Option<String>,
}

impl<'a> Kubectl<'a> {
    /// The member's administrator.
    pub(crate) const fn administrator(scene: &'a Scene, member: &'a str) -> Self {
        Self {
            member,
            scene,
            user: None,
        }
    }

    /// Somebody of that name.
    pub(crate) fn of(scene: &'a Scene, member: &'a str, user: &str) -> Self {
        Self {
            member,
            scene,
            user: Some(user.to_owned()),
        }
    }

    /// Runs it.
    pub(crate) async fn run(&self, words: &[&str]) -> Result<Answer> {
        self.run_with(words, None, None).await
    }

    /// Runs it with an object to read.
    pub(crate) async fn give(&self, words: &[&str], object: &Value) -> Result<Answer> {
        let words = [words, &["--filename=-"]].concat();
        self.run_with(&words, Some(object), None).await
    }

    /// Runs it with an editor, which is a command that changes a file.
    pub(crate) async fn edit(&self, words: &[&str], editor: &str) -> Result<Answer> {
        self.run_with(words, None, Some(editor)).await
    }

    async fn run_with(
        &self,
        words: &[&str],
        object: Option<&Value>,
        editor: Option<&str>,
    ) -> Result<Answer> {
        let fleet = &self.scene.fleet;
        let mut command = Command::new(fleet.programs().join("kubectl"));
        command
            // First, so that the words may name another.
            .args(["--namespace", &self.scene.namespace])
            .args(words)
            .args(self.user.iter().map(|user| format!("--as={user}")))
            .env("KUBECONFIG", fleet.member_kubeconfig(self.member))
            .env("KUBECACHEDIR", fleet::folder(fleet).join("work/kubectl"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(editor) = editor {
            command.env("KUBE_EDITOR", editor);
        }
        let said = || format!("kubectl {}", words.join(" "));
        let mut child = command.spawn().with_context(said)?;
        let mut input = child.stdin.take().context("kubectl has an input")?;
        if let Some(object) = object {
            input.write_all(object.to_string().as_bytes()).await?;
        }
        drop(input);
        let ended = timeout(LIMIT, child.wait_with_output()).await;
        let ended = ended.with_context(|| format!("{} does not end", said()))??;
        // What the promoter's admission says there. What is read there may well be a Secret.
        kept::output(&String::from_utf8_lossy(&ended.stderr));
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(Answer {
            code: ended.status.code().with_context(said)?,
            error: text(&ended.stderr),
            output: text(&ended.stdout),
        })
    }
}

/// Gives a user of a member one of Kubernetes' own roles in the scene's namespace, and returns when
/// that counts.
pub(crate) async fn bind(scene: &Scene, member: &str, user: &str, role: &str) -> Result<()> {
    const RBAC: &str = "rbac.authorization.k8s.io";

    scene.namespace_in(member).await?;
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "RoleBinding",
        "metadata": {"name": format!("{user}-{role}")},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    });
    scene.member(member).create(&binding).await?;
    let who = Kubectl::of(scene, member, user);
    scene
        .eventually("the role counts", async || {
            who.run(&["auth", "can-i", "patch", "deployments"])
                .await?
                .assert_output(0, &["yes"])
        })
        .await
}

/// Gives a user of a member rights all over it, as long as what is returned lives.
pub(crate) async fn rules_of(
    scene: &Scene,
    member: &str,
    user: &str,
    rules: &Value,
) -> Result<Rules> {
    const RBAC: &str = "rbac.authorization.k8s.io";

    let name = format!("{user}.{}", scene.namespace);
    let role = json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    });
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
    });
    Rules::create(scene, member, &[role, binding]).await
}
