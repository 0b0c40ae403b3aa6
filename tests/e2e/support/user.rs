//! People with rights of their own.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Cluster, Identity, Kind, Scene, kubectl_promote, plugin::Answer};

/// What a promotion takes of a [`super::Workload::typical`], in the member and in the control
/// plane.
pub(crate) const IN_MEMBER: &[Right] = &[
    ("promote", "apps", "deployments"),
    ("get", "apps", "deployments"),
    ("get", "", "configmaps"),
    ("get", "", "secrets"),
];
pub(crate) const IN_KARMADA: &[Right] = &[
    ("create", "apps", "deployments"),
    ("get", "apps", "deployments"),
    ("create", "policy.karmada.io", "propagationpolicies"),
    ("create", "", "configmaps"),
    ("get", "", "configmaps"),
    ("create", "", "secrets"),
    ("get", "", "secrets"),
];

/// What letting go takes in the control plane, besides.
pub(crate) const TO_RELEASE: &[Right] = &[
    ("delete", "apps", "deployments"),
    ("delete", "", "configmaps"),
    ("delete", "", "secrets"),
];

/// A verb, an API group and a resource.
pub(crate) type Right = (&'static str, &'static str, &'static str);

/// A user of the control plane, of the same name in the members, who may do with Promotions what
/// they like and has no other right but those that are given, in one scene's namespace.
pub(crate) struct User<'a> {
    /// The control plane, as this user.
    pub(crate) karmada: Cluster,
    pub(crate) name: String,
    scene: &'a Scene,
}

impl<'a> User<'a> {
    pub(crate) async fn new(scene: &'a Scene, name: &str) -> Result<Self> {
        scene.namespace_in_karmada().await?;
        let user = Self::of(scene, name).await?;
        let promotions = ["create", "get", "list", "patch", "watch"]
            .map(|verb| (verb, "promote.karmada.io", "promotions"));
        user.may("karmada", &promotions).await?;
        Ok(user)
    }

    /// A user who has no right.
    pub(crate) async fn of(scene: &'a Scene, name: &str) -> Result<Self> {
        let identity = Identity {
            name,
            ..Identity::default()
        };
        Ok(Self {
            karmada: scene.karmada_as(&identity).await?,
            name: name.to_owned(),
            scene,
        })
    }

    /// A user who has all rights that promoting takes, but some.
    pub(crate) async fn without(
        scene: &'a Scene,
        name: &str,
        member: &[Right],
        karmada: &[Right],
    ) -> Result<Self> {
        let user = Self::new(scene, name).await?;
        let but = |all: &[Right], missing: &[Right]| -> Vec<Right> {
            let left = all.iter().filter(|right| !missing.contains(right));
            left.copied().collect()
        };
        user.may("member1", &but(IN_MEMBER, member)).await?;
        user.may("karmada", &but(IN_KARMADA, karmada)).await?;
        Ok(user)
    }

    /// Gives rights in `karmada` or a member, and waits until they count.
    pub(crate) async fn may(&self, cluster: &str, rights: &[Right]) -> Result<()> {
        let cluster = match cluster {
            "karmada" => &self.scene.karmada,
            member => self.scene.member(member),
        };
        let rules: Vec<_> = rights
            .iter()
            .map(|(verb, group, resource)| {
                json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]})
            })
            .collect();
        let existing = cluster.list(&Kind::new(RBAC, "Role")).await?.len();
        let metadata = json!({"name": format!("{}-{existing}", self.name)});
        let role = json!({
            "apiVersion": RBAC, "kind": "Role", "metadata": metadata, "rules": rules,
        });
        let binding = json!({
            "apiVersion": RBAC,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"],
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": self.name},
            ],
        });
        cluster.create(&role).await?;
        cluster.create(&binding).await?;
        self.scene
            .eventually("the rights count", async || {
                for right in rights {
                    let allowed = self.is_allowed(cluster, right).await?;
                    ensure!(allowed, "not yet: {right:?}");
                }
                Ok(())
            })
            .await
    }

    /// Runs `kubectl promote` with these words as this user.
    pub(crate) async fn kubectl_promote(&self, words: &[&str]) -> Result<Answer> {
        let words = [words, &["--as", &self.name]].concat();
        kubectl_promote(self.scene, &words).await
    }

    /// What a cluster answers to the question whether this user has a right.
    pub(crate) async fn is_allowed(&self, cluster: &Cluster, right: &Right) -> Result<bool> {
        let (verb, group, resource) = right;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "resourceAttributes": {
                    "group": group,
                    "namespace": self.scene.namespace,
                    "resource": resource,
                    "verb": verb,
                },
                "user": self.name,
            },
        });
        let answer = cluster.create(&review).await?;
        Ok(answer["status"]["allowed"] == true)
    }
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";
