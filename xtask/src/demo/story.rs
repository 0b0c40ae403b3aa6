//! The story, chapter by chapter.

use std::time::Instant;

use anyhow::{Context, ensure};

use super::{
    evidence::{Evidence, ensure_unmarked},
    kubectl::Kubectl,
    narrator::Narrator,
    wait,
};
use crate::say::lasted;

const DEPLOYMENTS: [&str; 3] = ["cart", "payment", "web"];

pub(super) async fn tell(kubectl: &Kubectl, narrator: &mut Narrator) -> anyhow::Result<()> {
    kubectl
        .show(narrator, "--context karmada get clusters")
        .await?;
    let before = deploy(kubectl, narrator).await?;
    promote(kubectl, narrator).await?;
    compare(kubectl, narrator, &before).await?;
    spread(kubectl, narrator, &before).await?;
    reject(kubectl, narrator).await?;
    release(kubectl, narrator, &before).await
}

async fn deploy(kubectl: &Kubectl, narrator: &mut Narrator) -> anyhow::Result<Evidence> {
    narrator.chapter("An application in member1 that Karmada knows nothing of");
    kubectl
        .show(narrator, "--context member1 apply -f docs/demo")
        .await?;
    kubectl
        .show_only_command(
            narrator,
            "--context member1 -n shop wait deployment --all --for=condition=Available \
             --timeout=120s",
        )
        .await?;
    kubectl
        .show(
            narrator,
            "--context member1 -n shop get deployments,configmaps,secrets,serviceaccounts",
        )
        .await?;
    let before = Evidence::gather(kubectl, "member1").await?;
    narrator.tell(&format!(
        "Remembered, to compare with later: {}.",
        before.count()
    ));
    Ok(before)
}

async fn promote(kubectl: &Kubectl, narrator: &mut Narrator) -> anyhow::Result<()> {
    narrator.chapter("Promoted in place, by an annotation");
    let asked = Instant::now();
    kubectl
        .show(
            narrator,
            "--context member1 -n shop annotate deployment --all promote.karmada.io/enabled=true",
        )
        .await?;
    narrator.tell("The webhook has answered each of them at once. What comes of it:");
    wait::until_all(kubectl, narrator, &DEPLOYMENTS, "Promoted", asked).await?;
    narrator.tell(&format!(
        "Asked for, taken over, verified and settled in {}.",
        lasted(asked.elapsed())
    ));
    kubectl
        .show(narrator, "--context karmada -n shop get promotions")
        .await?;
    kubectl
        .show(
            narrator,
            "--context karmada -n shop get deployments,configmaps,secrets,serviceaccounts,\
             propagationpolicies",
        )
        .await?;
    Ok(())
}

/// Shows that member1 is as it was.
async fn compare(
    kubectl: &Kubectl,
    narrator: &mut Narrator,
    before: &Evidence,
) -> anyhow::Result<()> {
    narrator.chapter("No pod was restarted");
    let now = Evidence::gather(kubectl, "member1").await?;
    narrator.table(&before.table(&now));
    before
        .ensure_same(&now)
        .context("the promotion did not leave member1 alone")?;
    narrator.proven("the same pods, the same ReplicaSets, every spec unchanged.");
    let elsewhere = kubectl
        .list("--context member2 -n shop get deployments")
        .await?;
    ensure!(
        elsewhere.is_empty(),
        "the application has come to member2 unasked"
    );
    narrator.proven("nothing has come to member2, where nobody asked for it.");
    Ok(())
}

async fn spread(
    kubectl: &Kubectl,
    narrator: &mut Narrator,
    before: &Evidence,
) -> anyhow::Result<()> {
    narrator.chapter("Spread to member2, as any workload of Karmada: by its placement");
    let asked = Instant::now();
    for name in DEPLOYMENTS {
        kubectl
            .show_only_command(
                narrator,
                &format!(
                    "--context karmada -n shop patch propagationpolicy deployment.{name} --type \
                     merge -p '{{\"spec\":{{\"placement\":{{\"clusterAffinity\":{{\"clusterNames\":\
                     [\"member1\",\"member2\"]}}}}}}}}'"
                ),
            )
            .await?;
    }
    for name in DEPLOYMENTS {
        // To wait for what is true of a Deployment, kubectl needs one that is there.
        let create = "--for=create --timeout=120s";
        kubectl
            .run_quietly(&format!(
                "--context member2 -n shop wait deployment/{name} {create}"
            ))
            .await?;
    }
    kubectl
        .show_only_command(
            narrator,
            "--context member2 -n shop wait deployment --all --for=condition=Available \
             --timeout=120s",
        )
        .await?;
    let took = asked.elapsed();
    kubectl
        .show(
            narrator,
            "--context member2 -n shop get deployments,configmaps,secrets,serviceaccounts",
        )
        .await?;
    narrator.tell(&format!(
        "Everything that the pods need has come along, with the namespace; they run after {}.",
        lasted(took)
    ));
    let now = Evidence::gather(kubectl, "member1").await?;
    before
        .ensure_same(&now)
        .context("spreading the application did not leave member1 alone")?;
    narrator.proven("in member1 still the same pods.");
    Ok(())
}

/// Shows that what is federated is not promoted once more.
async fn reject(kubectl: &Kubectl, narrator: &mut Narrator) -> anyhow::Result<()> {
    narrator.chapter("Asked for once more, in member2: rejected");
    kubectl
        .show_refusal(
            narrator,
            "--context member2 -n shop annotate deployment web promote.karmada.io/enabled=true",
            "AlreadyFederated",
        )
        .await?;
    let now = kubectl
        .list("--context member2 -n shop get deployments")
        .await?;
    let annotated = now.iter().any(|deployment| {
        !deployment["metadata"]["annotations"]["promote.karmada.io/enabled"].is_null()
    });
    ensure!(!annotated, "the rejected annotation was kept");
    narrator.proven("the answer came at once, and says what to do; nothing was written.");
    Ok(())
}

async fn release(
    kubectl: &Kubectl,
    narrator: &mut Narrator,
    before: &Evidence,
) -> anyhow::Result<()> {
    narrator.chapter("Released: Karmada lets go, and everything runs on");
    let member2 = Evidence::gather(kubectl, "member2").await?;
    let asked = Instant::now();
    kubectl
        .show(
            narrator,
            "promote release deployment/cart deployment/payment deployment/web -n shop \
             --context karmada",
        )
        .await?;
    let took = asked.elapsed();
    for (cluster, before) in [("member1", before), ("member2", &member2)] {
        let now = Evidence::gather(kubectl, cluster).await?;
        before
            .ensure_same(&now)
            .with_context(|| format!("the release did not leave {cluster} alone"))?;
        ensure_unmarked(kubectl, cluster).await?;
        narrator.proven(&format!(
            "{cluster} runs the same pods, and nothing there bears a mark of Karmada."
        ));
    }
    ensure_gone(kubectl).await?;
    narrator.proven("of templates, policies, bindings and Works nothing is left in Karmada.");
    kubectl
        .show(narrator, "--context karmada -n shop get promotions")
        .await?;
    narrator.tell(&format!(
        "Let go of, and every trace removed, in {}. Each Deployment says enabled=false now: nothing \
         takes it again until somebody asks.",
        lasted(took)
    ));
    Ok(())
}

/// An error that names what the control plane still has of the application, if anything.
async fn ensure_gone(kubectl: &Kubectl) -> anyhow::Result<()> {
    let kinds = "deployments,configmaps,secrets,serviceaccounts,propagationpolicies,\
                 resourcebindings";
    let mut left = kubectl
        .list(&format!("--context karmada -n shop get {kinds}"))
        .await?;
    for member in ["member1", "member2"] {
        let works = kubectl
            .list(&format!(
                "--context karmada -n karmada-es-{member} get works"
            ))
            .await?;
        left.extend(works.into_iter().filter(|work| {
            work["metadata"]["annotations"]["resourcebinding.karmada.io/namespace"] == "shop"
        }));
    }
    let left: Vec<_> = left
        .iter()
        .map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]))
        .collect();
    ensure!(
        left.is_empty(),
        "the control plane still has {}",
        left.join(", ")
    );
    Ok(())
}
