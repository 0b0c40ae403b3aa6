//! Whether a member's admission works, by trying, and what a person is told of it.

use anyhow::bail;
use promoter_api::marks::{ENABLED, OPT_IN_POLICY, REQUESTED_BY};
use promoter_domain::{object::ObjectKind, stamp};
use promoter_installation::{
    member::{Admission, Calls, FailurePolicy, Member},
    webhook::Address,
};
use promoter_kubernetes::objects::{Error, Objects, Write};
use serde_json::{Value, json};

use crate::{
    display::{complain, print},
    in_force::{self, Answer, InForce, NOT_IN_FORCE},
};

const NAME: &str = "karmada-promoter-probe";

/// What Karmada's cluster proxy says to every dry run. There the Deployment is created, if nothing
/// refuses it, and deleted at once.
///
/// Source: Kubernetes' `k8s.io/apiserver/pkg/endpoints/handlers/rest.go`, `ConnectResource`.
const WITHOUT_DRY_RUNS: &str = "dryRun is not supported";

/// Tries what was installed, until it is in force, and tells it.
pub(super) async fn tell(reached: &Objects, member: &Member, cluster: &str) -> anyhow::Result<()> {
    if member.guard {
        print(&format!(
            "cluster {cluster} is guarded against writes of {} that would undo an edit\n",
            member.karmada_user
        ));
    }
    let Some(admission) = &member.admission else {
        return Ok(());
    };
    let installation = &admission.installation;
    let with_webhook = admission.webhook.is_some();
    match in_force::until(with_webhook, async || forged(reached).await).await {
        InForce::Yes => {}
        InForce::WithoutWebhook => {
            complain(&without_webhook(admission, cluster));
            return Ok(());
        }
        InForce::No(None) => bail!("{NOT_IN_FORCE}: a stamp of somebody else is still taken"),
        InForce::No(Some(error)) => bail!("{NOT_IN_FORCE}: {error}"),
    }
    let Some(calls) = &admission.webhook else {
        print(&format!(
            "cluster {cluster} pins who opts in; without a webhook they have to say so themselves: \
             {REQUESTED_BY}={} (--webhook-url or --webhook-service names one)\n",
            stamp::stamp(installation, "USERNAME")
        ));
        return Ok(());
    };
    if let Err(error) = opting_in(reached).await
        && error.message().contains("failed calling webhook")
    {
        complain(&without_verdict(calls, cluster, &error));
        return Ok(());
    }
    print(&format!(
        "cluster {cluster} stamps who opts in, as installation {installation}, and asks the webhook \
         at {}\n",
        place(&calls.webhook.address)
    ));
    Ok(())
}

/// What becomes of a Deployment with the stamp of somebody else, which opts in to nothing.
async fn forged(reached: &Objects) -> Result<Answer, Error> {
    match create(reached, "default", REQUESTED_BY, NAME).await {
        Ok(kept) if kept["metadata"]["annotations"][REQUESTED_BY] == NAME => Ok(Answer::Accepted),
        Ok(_) => Ok(Answer::Corrected),
        Err(error) if error.message().contains(OPT_IN_POLICY) => Ok(Answer::Refused),
        Err(error) => Err(error),
    }
}

/// What becomes of a Deployment that opts in where nothing may, so that it is rejected whenever it
/// is answered.
async fn opting_in(reached: &Objects) -> Result<Value, Error> {
    create(reached, "kube-system", ENABLED, "true").await
}

/// Has a Deployment without pods answered, without having it kept.
async fn create(
    reached: &Objects,
    namespace: &str,
    annotation: &str,
    value: &str,
) -> Result<Value, Error> {
    let labels = json!({"app": NAME});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"annotations": {(annotation): value}, "generateName": format!("{NAME}-")},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "probe", "image": "registry.k8s.io/pause"}]},
            },
        },
    });
    let (resource, namespace) = (ObjectKind::Deployment.into(), Some(namespace));
    let tried = reached.create(resource, namespace, &deployment, Write::DryRun);
    match tried.await {
        Err(error) if error.message().contains(WITHOUT_DRY_RUNS) => {}
        answered => return answered,
    }
    let kept = reached
        .create(resource, namespace, &deployment, Write::ForGood)
        .await?;
    let word = |key: &str| kept["metadata"][key].as_str().unwrap_or_default();
    reached
        .delete(resource, namespace, word("name"), word("uid"))
        .await?;
    Ok(kept)
}

fn without_webhook(admission: &Admission, cluster: &str) -> String {
    let Some(calls) = &admission.webhook else {
        return String::new();
    };
    let meanwhile = match calls.validating {
        FailurePolicy::Fail => "nobody can opt in there",
        FailurePolicy::Ignore => "nobody who opts in there is stamped, and the hub holds it",
    };
    format!(
        "warning: cluster {cluster} does not get an answer from the webhook at {}: see that it \
         runs, that it can be reached from the cluster's API server, and that its certificate is \
         for this host and of the authority given by --ca-file. Until then {meanwhile}; nothing \
         else waits for it\n",
        place(&calls.webhook.address)
    )
}

fn without_verdict(calls: &Calls, cluster: &str, error: &Error) -> String {
    format!(
        "warning: the webhook at {} stamps who opts in to cluster {cluster}, but gives no verdict: \
         {error}. Until it does, nobody can opt in there\n",
        place(&calls.webhook.address)
    )
}

fn place(address: &Address) -> String {
    match address {
        Address::Service {
            name,
            namespace,
            port,
        } => format!("Service {namespace}/{name}:{port}"),
        Address::Url(url) => url.clone(),
    }
}
