//! What a committed Go module says: its tools, its versions and the flags they are built with.

use std::path::{Path, PathBuf};

use super::{ProgramsError, io_error};

const KARMADA: &str = "github.com/karmada-io/karmada";
const KUBERNETES: &str = "k8s.io/kubernetes";

/// One of the two Go modules beside this crate.
#[derive(Clone, Debug)]
pub(super) struct GoModule {
    pub(super) name: &'static str,
    pub(super) folder: PathBuf,
    pub(super) manifest: String,
    pub(super) checksums: String,
    /// Whose manifests the fleet needs besides the programs.
    pub(super) manifests_of: Option<&'static str>,
}

impl GoModule {
    pub(super) fn karmada() -> Result<Self, ProgramsError> {
        Self::read("karmada", Some(KARMADA))
    }

    pub(super) fn kwok() -> Result<Self, ProgramsError> {
        Self::read("kwok", None)
    }

    fn read(name: &'static str, manifests_of: Option<&'static str>) -> Result<Self, ProgramsError> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let read = |file: &str| {
            let path = folder.join(file);
            std::fs::read_to_string(&path).map_err(io_error("read", &path))
        };
        Ok(Self {
            name,
            manifest: read("go.mod")?,
            checksums: read("go.sum")?,
            folder,
            manifests_of,
        })
    }

    /// The Go version that the module asks for.
    pub(super) fn go_version(&self) -> &str {
        directive(&self.manifest, "go").unwrap_or("1.25")
    }

    /// What the linker is told: nothing for debuggers, and the versions that the programs report.
    /// Without those, a cluster says that it is `v0.0.0-master`.
    pub(super) fn linker_flags(&self) -> Result<String, ProgramsError> {
        let mut flags = vec!["-s -w".to_owned()];
        if self.manifests_of.is_some() {
            let kubernetes = self.version_of(KUBERNETES)?;
            let karmada = self.version_of(KARMADA)?;
            let mut numbers = kubernetes.trim_start_matches('v').split('.');
            let base = "k8s.io/component-base/version";
            for (variable, value) in [
                (format!("{base}.gitVersion"), kubernetes),
                (
                    format!("{base}.gitMajor"),
                    numbers.next().unwrap_or_default(),
                ),
                (
                    format!("{base}.gitMinor"),
                    numbers.next().unwrap_or_default(),
                ),
                (format!("{KARMADA}/pkg/version.gitVersion"), karmada),
            ] {
                flags.push(format!("-X {variable}={value}"));
            }
        }
        Ok(flags.join(" "))
    }

    /// The import paths in the module's `tool` directive.
    pub(super) fn tools(&self) -> Vec<&str> {
        tools(&self.manifest)
    }

    fn version_of(&self, module: &str) -> Result<&str, ProgramsError> {
        version_of(&self.manifest, module).ok_or_else(|| ProgramsError::Module {
            path: self.folder.join("go.mod"),
            missing: format!("require {module}"),
        })
    }
}

/// The name that a tool's program has in the fleet. Go names it after its folder, and Karmada's
/// folders are named as if nothing else existed.
pub(super) fn stable_name(tool: &str) -> String {
    let built = built_name(tool);
    match tool.strip_prefix(KARMADA) {
        Some(_) if !built.starts_with("karmada") => format!("karmada-{built}"),
        _ if tool.starts_with("go.etcd.io/etcd/server") => "etcd".into(),
        _ => built.into(),
    }
}

/// The file name that `go build` gives a tool: its last path element that is not a major version.
pub(super) fn built_name(tool: &str) -> &str {
    let is_major_version = |element: &str| {
        element.strip_prefix('v').is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    tool.rsplit('/')
        .find(|element| !is_major_version(element))
        .unwrap_or(tool)
}

fn directive<'a>(manifest: &'a str, name: &str) -> Option<&'a str> {
    manifest
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map(str::trim)
}

fn tools(manifest: &str) -> Vec<&str> {
    let mut tools = Vec::new();
    let mut in_block = false;
    for line in manifest.lines().map(str::trim) {
        match line {
            "tool (" => in_block = true,
            ")" => in_block = false,
            _ if in_block => tools.push(line),
            _ => tools.extend(line.strip_prefix("tool ")),
        }
    }
    tools
}

fn version_of<'a>(manifest: &'a str, module: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split(' ');
        (words.next() == Some(module))
            .then(|| words.next())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_modules_say_what_is_built() {
        let karmada = GoModule::karmada().unwrap();
        let names: Vec<String> = karmada.tools().into_iter().map(stable_name).collect();
        for needed in [
            "etcd",
            "helm",
            "karmada-aggregated-apiserver",
            "karmada-controller-manager",
            "karmada-scheduler",
            "karmada-webhook",
            "karmadactl",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubectl",
        ] {
            assert!(
                names.iter().any(|name| name == needed),
                "{needed}: {names:?}"
            );
        }
        assert_eq!(
            GoModule::kwok().unwrap().tools(),
            ["sigs.k8s.io/kwok/cmd/kwok"]
        );
    }

    #[test]
    fn versions_reach_the_linker() {
        let flags = GoModule::karmada().unwrap().linker_flags().unwrap();
        assert!(flags.starts_with("-s -w -X k8s.io/component-base/version.gitVersion=v1."));
        assert!(flags.contains(" -X k8s.io/component-base/version.gitMajor=1 "));
        assert!(flags.contains(" -X github.com/karmada-io/karmada/pkg/version.gitVersion=v1."));
        assert_eq!(GoModule::kwok().unwrap().linker_flags().unwrap(), "-s -w");
    }

    #[test]
    fn tools_are_named_as_people_know_them() {
        assert_eq!(stable_name("go.etcd.io/etcd/server/v3"), "etcd");
        assert_eq!(built_name("go.etcd.io/etcd/server/v3"), "server");
        assert_eq!(
            stable_name("github.com/karmada-io/karmada/cmd/webhook"),
            "karmada-webhook"
        );
        assert_eq!(
            stable_name("github.com/karmada-io/karmada/cmd/karmadactl"),
            "karmadactl"
        );
        assert_eq!(stable_name("helm.sh/helm/v3/cmd/helm"), "helm");
    }

    #[test]
    fn a_single_tool_and_a_plain_requirement_are_read() {
        let manifest = "module m\n\ngo 1.25.6\n\ntool a/b/c\n\nrequire example.org/x v1.2.3\n";
        assert_eq!(tools(manifest), ["a/b/c"]);
        assert_eq!(directive(manifest, "go"), Some("1.25.6"));
        assert_eq!(version_of(manifest, "example.org/x"), Some("v1.2.3"));
        assert_eq!(version_of(manifest, "example.org/y"), None);
    }
}
