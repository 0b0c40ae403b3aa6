//! `kubectl promote control-plane enable` and `disable`.

use anyhow::bail;
use promoter_installation::{
    control_plane,
    webhook::{Address, Webhook},
};
use promoter_kubernetes::{
    objects::{Error, Objects, Write},
    resource::Resource,
};
use serde_json::{Value, json};

use crate::{
    arguments::{ControlPlane, Enable},
    connection::Connection,
    display::{complain, print},
    exit::Exit,
    in_force::{self, Answer, InForce, NOT_IN_FORCE},
    install, manifest,
};

/// Installs or removes the promoter's part of the control plane.
pub(crate) async fn run(
    open: impl AsyncFn() -> anyhow::Result<Connection>,
    command: &ControlPlane,
) -> anyhow::Result<Exit> {
    match command {
        ControlPlane::Enable(arguments) => {
            let objects = installed(arguments)?.objects();
            if let Some(format) = arguments.output {
                print(&manifest::documents(&objects, format)?);
                return Ok(Exit::Done);
            }
            let control_plane = open().await?.control_plane;
            let surplus = install::surplus(everything().objects(), &objects);
            install::remove(&control_plane, &surplus).await?;
            install::apply(&control_plane, &objects).await?;
            until_in_force(&control_plane, arguments).await?;
        }
        ControlPlane::Disable => {
            let control_plane = open().await?.control_plane;
            disable(&control_plane).await?;
        }
    }
    Ok(Exit::Done)
}

fn installed(arguments: &Enable) -> anyhow::Result<control_plane::ControlPlane> {
    let webhook = match &arguments.webhook_url {
        Some(url) => Some(Webhook {
            address: Address::Url(url.clone()),
            authorities: arguments
                .ca_file
                .as_deref()
                .map(install::authorities)
                .transpose()?,
        }),
        None => None,
    };
    Ok(control_plane::ControlPlane {
        hub_user: arguments.hub_user.clone(),
        webhook,
        webhook_user: arguments.webhook_user.clone(),
    })
}

/// Everything that can be installed. What it says does not matter, only which objects it is.
pub(crate) fn everything() -> control_plane::ControlPlane {
    control_plane::ControlPlane {
        hub_user: String::new(),
        webhook: Some(Webhook {
            address: Address::Url(String::new()),
            authorities: None,
        }),
        webhook_user: String::new(),
    }
}

async fn disable(control_plane: &Objects) -> anyhow::Result<()> {
    let mut objects = everything().objects();
    objects.retain(|object| object["kind"] != "CustomResourceDefinition");
    // The hub loses its rights first: it must not act when nothing says any more for whom.
    objects.reverse();
    install::remove(control_plane, &objects).await?;
    complain(
        "the Promotions and their type were left there: what is promoted stays so, and deleting \
         the type would delete every record of it\n",
    );
    Ok(())
}

/// Has the control plane answer a Promotion that names somebody else, until it does as it should.
async fn until_in_force(control_plane: &Objects, arguments: &Enable) -> anyhow::Result<()> {
    let webhook = arguments.webhook_url.as_ref();
    match in_force::until(webhook.is_some(), async || probe(control_plane).await).await {
        InForce::Yes => {}
        InForce::WithoutWebhook => complain(&format!(
            "warning: the control plane does not get an answer from the webhook at {}: see that it \
             runs, that it can be reached from the control plane's API server, and that its \
             certificate is for this host and of the authority given by --ca-file. Until then \
             Promotions have to name who asks, as `kubectl promote` does\n",
            webhook.map_or("", String::as_str)
        )),
        InForce::No(None) => {
            bail!("{NOT_IN_FORCE}: a Promotion that names somebody else is still taken")
        }
        InForce::No(Some(error)) => bail!("{NOT_IN_FORCE}: {error}"),
    }
    Ok(())
}

/// What would become of a Promotion that names somebody else. It is not kept.
async fn probe(control_plane: &Objects) -> Result<Answer, Error> {
    const NAME: &str = "karmada-promoter-probe";

    let promotion = json!({
        "apiVersion": "promote.karmada.io/v1alpha1",
        "kind": "Promotion",
        "metadata": {"name": NAME},
        "spec": {
            "clusters": [NAME],
            "requester": {"username": NAME},
            "suspend": true,
            "workload": {"name": NAME},
        },
    });
    let namespace = Some("default");
    let kept = control_plane
        .create(Resource::PROMOTION, namespace, &promotion, Write::DryRun)
        .await;
    match kept {
        Ok(kept) => Ok(answer(&kept, NAME)),
        Err(error) if error.message().contains("spec.requester") => Ok(Answer::Refused),
        Err(error) => Err(error),
    }
}

fn answer(kept: &Value, named: &str) -> Answer {
    if kept["spec"]["requester"]["username"] == named {
        Answer::Accepted
    } else {
        Answer::Corrected
    }
}
