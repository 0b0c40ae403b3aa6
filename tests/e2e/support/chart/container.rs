//! What a pod's container starts with.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail, ensure};
use promoter_fleet::Program;
use serde_json::Value;

use super::{
    paths::Paths,
    probe::Probes,
    source::{Source, field},
    volume,
};
use crate::support::Cluster;

/// The program of the image, by the name under which its containers call it.
const PROGRAM: &str = "karmada-promoter";

/// All addresses of a pod, where a container names them.
const EVERY_ADDRESS: &str = "0.0.0.0";

/// What a node gives a container besides what its pod says.
#[derive(Debug)]
pub(super) struct Given {
    /// The pod's own address.
    pub(super) address: Ipv4Addr,
    /// The cluster's API server.
    pub(super) api_server: SocketAddr,
    /// The folder for the pod's volumes.
    pub(super) folder: PathBuf,
}

/// A container, ready to start.
#[derive(Debug)]
pub(crate) struct Container {
    /// Without the program itself.
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// Where the container's paths are on this machine.
    pub(crate) paths: Paths,
    pub(crate) probes: Probes,
}

impl Container {
    /// Reads the only container of a pod and what it refers to, and writes its volumes.
    pub(super) async fn prepare(cluster: &Cluster, given: &Given, pod: &Value) -> Result<Self> {
        let spec = &pod["spec"];
        ensure!(
            spec["initContainers"].is_null(),
            "there are init containers"
        );
        let containers = spec["containers"].as_array().context("no containers")?;
        let [container] = containers.as_slice() else {
            bail!("there are {} containers", containers.len());
        };
        ensure!(
            container["lifecycle"].is_null(),
            "nobody would call its hooks"
        );
        let paths = volume::write_all(cluster, &given.folder, pod, container).await?;
        let environment = environment(cluster, given.api_server, pod, container).await?;
        let address = given.address.to_string();
        // The process has neither a file system nor an interface of its own.
        let on_this_machine =
            |word: &str| paths.on_this_machine(word).replace(EVERY_ADDRESS, &address);
        let expanded = |key: &str| -> Vec<String> {
            let words = container[key].as_array().into_iter().flatten();
            let words = words.filter_map(Value::as_str);
            words
                .map(|word| on_this_machine(&expand(word, &environment)))
                .collect()
        };
        let command = expanded("command");
        let [program, arguments @ ..] = command.as_slice() else {
            bail!("what the image would run by itself is not known");
        };
        ensure!(program == PROGRAM, "the image has no program {program}");
        Ok(Self {
            arguments: [arguments, &expanded("args")].concat(),
            environment: environment
                .iter()
                .map(|(name, value)| (name.clone(), on_this_machine(value)))
                .collect(),
            probes: Probes::of(container, given.address)?,
            paths,
        })
    }

    /// The program to run for it, with nothing of this process's environment.
    pub(super) fn program(&self) -> Program {
        let program = Program::new(env!("CARGO_BIN_EXE_karmada-promoter"))
            .isolated()
            .arguments(self.arguments.iter().map(String::as_str));
        let variables = self.environment.iter();
        variables.fold(program, |program, (name, value)| {
            program.variable(name, value)
        })
    }
}

/// The environment, later variables expanded by the earlier ones.
async fn environment(
    cluster: &Cluster,
    api_server: SocketAddr,
    pod: &Value,
    container: &Value,
) -> Result<BTreeMap<String, String>> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let given = [
        ("HOSTNAME", name.to_owned()),
        ("KUBERNETES_SERVICE_HOST", api_server.ip().to_string()),
        ("KUBERNETES_SERVICE_PORT", api_server.port().to_string()),
    ];
    let mut variables: BTreeMap<String, String> = given
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for from in container["envFrom"].as_array().into_iter().flatten() {
        let prefix = from["prefix"].as_str().unwrap_or_default();
        let source = Source::of(from, &["secretRef", "configMapRef"])?;
        for (key, value) in source.read(cluster).await?.into_iter().flatten() {
            variables.insert(format!("{prefix}{key}"), String::from_utf8(value)?);
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().context("a variable's name")?;
        let from = &variable["valueFrom"];
        let value = if from.is_null() {
            let value = variable["value"].as_str().unwrap_or_default();
            Some(expand(value, &variables))
        } else if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
            Some(field(pod, path)?)
        } else {
            let source = Source::of(from, &["secretKeyRef", "configMapKeyRef"])?;
            source.read_key(cluster).await?
        };
        variables.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(variables)
}

/// Puts variables where `$(NAME)` is said. One that is not known stays as it is, and `$$(` stands
/// for `$(`.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let reference = after.strip_prefix('(');
        let reference = reference.and_then(|reference| reference.split_once(')'));
        let known = reference.and_then(|(name, rest)| Some((variables.get(name)?, rest)));
        if let Some((value, after)) = known {
            expanded.push_str(value);
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded + rest
}

#[test]
fn variables_are_expanded_as_in_a_pod() {
    let variables = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
    for (text, expanded) in [
        ("--a=$(A),$(A)", "--a=1,1"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$(A", "$(A"),
        ("100$", "100$"),
    ] {
        assert_eq!(expand(text, &variables), expanded);
    }
}
