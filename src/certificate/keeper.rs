//! Keeps the Secret, the configurations and the server's certificate in step, again and again.
//!
//! Every replica does the same and none leads. What one writes names the version that it has seen;
//! who comes second reads what the first has written. Nothing is remembered but since when API
//! servers know the newest authority.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use promoter_api::marks::{CERTIFICATE, CERTIFICATE_SELF_MANAGED, FIELD_MANAGER, MANAGED_BY};
use promoter_kubernetes::{
    objects::{self, Objects, Write},
    resource::Resource,
};
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    bundle,
    contents::{Contents, Foreign},
    decide::{Step, Told, begins_later, decide, is_settled, untold},
    issue,
};

/// How often everything is looked at: three small objects, which costs less than a watch needs
/// rights.
const INTERVAL: Duration = Duration::from_secs(15);

/// How long after an error, or while something is under way.
const SOON: Duration = Duration::from_secs(3);

/// How long API servers may take to use what a configuration says.
const SETTLING: Duration = Duration::from_secs(30);

/// How often people are told of what only they can do.
const REMINDER: Duration = Duration::from_hours(24);

/// How often a write is tried again at once because somebody else was first.
const ATTEMPTS: usize = 5;

const CONFIGURATIONS: [Resource; 2] = [
    Resource::MUTATING_WEBHOOK_CONFIGURATION,
    Resource::VALIDATING_WEBHOOK_CONFIGURATION,
];

/// What is kept, and for whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the mutating and of the validating configuration that are told of the
    /// authority, where there are any.
    pub configuration: Option<String>,
    /// The names that API servers reach the webhook by.
    pub names: Vec<String>,
    /// The Secret's name.
    pub secret: String,
    /// The Secret's namespace.
    pub secret_namespace: String,
}

/// The certificate could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An API server refused something.
    #[error(transparent)]
    Api(#[from] objects::Error),
    /// Somebody else writes the Secret all the time.
    #[error("Secret {0} is changed by somebody else again and again; see who that is")]
    Contended(String),
    /// The Secret is somebody else's.
    #[error("Secret {0} cannot hold the webhook's certificate: {1}")]
    Foreign(String, Foreign),
    /// No certificate could be made.
    #[error(transparent)]
    Issue(#[from] issue::Error),
    /// What was made cannot be shown.
    #[error("the certificate in Secret {0} cannot be used: {1}")]
    Unusable(String, rustls::Error),
}

/// Keeps the certificate.
pub struct Keeper {
    known_since: Option<(String, Instant)>,
    objects: Objects,
    reminded: Option<Instant>,
    settings: Settings,
    told: String,
}

/// What one look has come to.
struct Looked {
    certificate: Arc<CertifiedKey>,
    contents: Contents,
    is_under_way: bool,
}

impl Keeper {
    /// Keeps the certificate of a webhook in the cluster behind `objects`.
    #[must_use]
    pub const fn new(objects: Objects, settings: Settings) -> Self {
        Self {
            known_since: None,
            objects,
            reminded: None,
            settings,
            told: String::new(),
        }
    }

    /// Waits until there is a certificate that API servers have been told how to believe, then
    /// goes on in the background. What is returned has the certificate to be shown, always.
    pub async fn start(mut self) -> Result<watch::Receiver<Arc<CertifiedKey>>, Error> {
        let first = loop {
            match self.look().await {
                Ok(looked) => break looked,
                Err(error @ Error::Foreign(..)) => return Err(error),
                Err(error) => self.tell(&error),
            }
            sleep(SOON).await;
        };
        let (sender, receiver) = watch::channel(first.certificate);
        let mut shown = first.contents;
        let mut delay = if first.is_under_way { SOON } else { INTERVAL };
        tokio::spawn(async move {
            while !sender.is_closed() {
                sleep(delay).await;
                match self.look().await {
                    Ok(looked) => {
                        self.told.clear();
                        delay = if looked.is_under_way { SOON } else { INTERVAL };
                        if looked.contents != shown {
                            shown = looked.contents;
                            sender.send_replace(looked.certificate);
                        }
                    }
                    Err(error) => {
                        delay = SOON;
                        self.tell(&error);
                    }
                }
            }
        });
        Ok(receiver)
    }

    /// Looks at everything once, and does what is to be done.
    async fn look(&mut self) -> Result<Looked, Error> {
        for _ in 0..ATTEMPTS {
            match self.attempt().await {
                Err(Error::Api(error)) if error.is_conflict() => {}
                done => return done,
            }
        }
        Err(Error::Contended(self.named()))
    }

    /// The configurations are read before the Secret: a decision made by an old Secret is then
    /// never written to a configuration that knows a newer one, since that one's version differs.
    async fn attempt(&mut self) -> Result<Looked, Error> {
        let mut configurations = Vec::new();
        if let Some(name) = &self.settings.configuration {
            for resource in CONFIGURATIONS {
                let found = self.objects.get(resource, None, name).await?;
                configurations.extend(found.map(|found| (resource, found)));
            }
        }
        let now = Timestamp::now();
        let secret = self.read().await?;
        let mut contents = match &secret {
            Some(secret) => {
                Contents::of(secret).map_err(|error| Error::Foreign(self.named(), error))?
            }
            None => Contents::default(),
        };
        let names = &self.settings.names;
        let told = if configurations.is_empty() {
            Told::ByPeople
        } else if self.knows(&contents) >= Some(SETTLING) {
            Told::All
        } else {
            Told::NotYet
        };
        let step = decide(&contents, names, told, now);
        let next = match step {
            Step::AddAuthority => Some(issue::add_authority(&contents, now)?),
            Step::Begin => Some(issue::begin(names, now)?),
            Step::Renew(by) => Some(issue::renew(&contents, by, names, now)?),
            Step::Retire => Some(contents.with_newest_only()),
            Step::Keep | Step::WaitForBundle => None,
        };
        if let Some(next) = next {
            self.write(secret, &next).await?;
            tracing::info!(
                secret = self.named(),
                ?step,
                "the webhook's certificate was changed"
            );
            contents = next;
        }
        self.publish(&configurations, &contents, now).await?;
        if configurations.is_empty() {
            self.remind(step, &contents, now);
        }
        if let Some(date) = begins_later(&contents, &self.settings.names, now) {
            tracing::warn!(
                "the webhook's certificate is valid only from {date:.0}, and here it is {now:.0}: \
                 set this machine's clock, or the one's that has made it"
            );
        }
        let certificate = contents
            .certified_key()
            .map_err(|error| Error::Unusable(self.named(), error))?;
        Ok(Looked {
            certificate,
            contents,
            is_under_way: !matches!(step, Step::Keep),
        })
    }

    async fn read(&self) -> Result<Option<Value>, objects::Error> {
        let Settings {
            secret,
            secret_namespace,
            ..
        } = &self.settings;
        self.objects
            .get(Resource::SECRET, Some(secret_namespace), secret)
            .await
    }

    /// Writes the Secret, if it still is as it was read.
    async fn write(
        &self,
        secret: Option<Value>,
        contents: &Contents,
    ) -> Result<(), objects::Error> {
        let Settings {
            secret: name,
            secret_namespace,
            ..
        } = &self.settings;
        let namespace = Some(secret_namespace.as_str());
        let (resource, write) = (Resource::SECRET, Write::ForGood);
        if let Some(mut secret) = secret {
            secret["data"] = contents.data();
            return self
                .objects
                .replace(resource, namespace, name, &secret, write)
                .await
                .map(drop);
        }
        let labels = json!({
            (CERTIFICATE): CERTIFICATE_SELF_MANAGED,
            (MANAGED_BY): FIELD_MANAGER,
        });
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"labels": labels, "name": name},
            "type": "kubernetes.io/tls",
            "data": contents.data(),
        });
        self.objects
            .create(resource, namespace, &secret, write)
            .await
            .map(drop)
    }

    /// Tells API servers of the authorities.
    async fn publish(
        &mut self,
        configurations: &[(Resource, Value)],
        contents: &Contents,
        now: Timestamp,
    ) -> Result<(), objects::Error> {
        let settled = is_settled(contents, &self.settings.names, now);
        for (resource, configuration) in configurations {
            let Some(patch) = bundle::patch(configuration, &contents.authorities, settled) else {
                continue;
            };
            self.known_since = None;
            let name = configuration["metadata"]["name"]
                .as_str()
                .unwrap_or_default();
            self.objects.merge(*resource, None, name, &patch).await?;
            tracing::info!(
                "{} {name} has the webhook's authority now",
                resource.plural()
            );
        }
        if self.knows(contents).is_none() {
            self.known_since = Some((contents.authorities.clone(), Instant::now()));
        }
        Ok(())
    }

    /// For how long API servers have known these authorities, as far as we have seen.
    fn knows(&self, contents: &Contents) -> Option<Duration> {
        let (authorities, since) = self.known_since.as_ref()?;
        (*authorities == contents.authorities).then(|| since.elapsed())
    }

    /// Asks people to tell API servers of an authority, where nobody else can.
    fn remind(&mut self, step: Step, contents: &Contents, now: Timestamp) {
        const HOW: &str = "in every member whose API server calls it, run `kubectl promote member \
                           enable CLUSTER` again with what that Secret has as ca.crt for \
                           --ca-file, and `kubectl promote control-plane enable` likewise";
        let secret = self.named();
        if step == Step::Begin && self.settings.configuration.is_none() {
            tracing::warn!(
                "Secret {secret} has a new authority of the webhook, which nobody believes who was \
                 told of another: {HOW}; until then nobody can opt in there"
            );
        }
        let is_time = self
            .reminded
            .is_none_or(|reminded| reminded.elapsed() >= REMINDER);
        if let Some(date) = untold(contents, &self.settings.names, now).filter(|_| is_time) {
            self.reminded = Some(Instant::now());
            tracing::warn!(
                "the webhook's authority is about to be changed: before {date:.0}, {HOW}; it has the \
                 old and the new one, and who was not told of both by then opts in no more"
            );
        }
    }

    /// Tells the same once, not every few seconds.
    fn tell(&mut self, error: &Error) {
        let told = error.to_string();
        if told != self.told {
            tracing::warn!("{told}; it is tried again");
            self.told = told;
        }
    }

    fn named(&self) -> String {
        format!(
            "{}/{}",
            self.settings.secret_namespace, self.settings.secret
        )
    }
}
