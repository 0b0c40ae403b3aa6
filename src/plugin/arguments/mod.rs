//! The command line.

mod connection;
mod control_plane;
mod member;
mod webhook;
mod words;

use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind,
    parser::ValueSource,
};
use promoter_api::promotion::{DependencyKind, DesiredState};

use crate::{
    duration::{self, Limit},
    exit, target,
};

pub(crate) use self::{
    connection::Connection,
    control_plane::{ControlPlane, Enable},
    member::{EnableMember, Member, MemberCluster, Part},
    words::{Dependency, Format, Managed, ManagedDependency, Removal, Stale, StatusFormat},
};

const EXAMPLES: &str = "\
Examples:
  # Federate a Deployment of cluster member1, in place, and wait until it is done
  kubectl promote deployment/web -n shop -C member1

  # Show what would be created; write nothing
  kubectl promote deployment/web -n shop -C member1 --dry-run -o yaml

  # Ask the hub what Karmada's write would change; federate nothing
  kubectl promote deployment/web -n shop -C member1 --observe

  # See how far every promotion has come
  kubectl promote status -A

  # Let Karmada let go of it again; it goes on running
  kubectl promote release deployment/web -n shop";

/// Turn a Deployment of a member cluster into a multi-cloud workload of Karmada, in place
///
/// The Deployment goes on running with the same pods. The kubeconfig is that of the Karmada
/// control plane.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-promote",
    bin_name = "kubectl promote",
    version,
    override_usage = "kubectl promote [OPTIONS] --cluster <CLUSTER> <WORKLOAD>...\n       \
                      kubectl promote <COMMAND>",
    after_help = exit::HELP,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP),
    arg_required_else_help = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) promote: Promote,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What can be done besides promoting.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how far promotions have come
    Status(Status),
    /// Let Karmada let go of workloads; they go on running in every cluster
    #[command(after_help = exit::HELP)]
    Release(Release),
    /// Install the promoter's part of the control plane, or take it away
    #[command(subcommand)]
    ControlPlane(ControlPlane),
    /// Install the promoter's part of a member cluster, or remove it
    #[command(after_long_help = member::HELP)]
    Member {
        #[command(subcommand)]
        action: Member,
    },
    /// Say what a reason means and what to do, or list all reasons
    Explain {
        /// The reason, as in `WouldRestartPods`
        reason: Option<String>,
    },
    /// Print the version
    Version,
    /// Print a script that completes commands: `source <(kubectl promote completion bash)`
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The flags of promoting.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent flags")]
pub(crate) struct Promote {
    /// The workloads: deployment/NAME …, or deployment NAME …
    #[arg(value_name = "WORKLOAD", required = true)]
    pub(crate) workloads: Vec<String>,

    /// The member cluster that they run in
    #[arg(short = 'C', long, required = true, value_parser = label)]
    pub(crate) cluster: Option<String>,

    /// Which kinds of dependencies go along: ConfigMap, Secret, ServiceAccount, or none [default:
    /// all of them]
    #[arg(long, value_name = "KINDS", value_delimiter = ',', ignore_case = true)]
    pub(crate) dependencies: Vec<Dependency>,

    /// What is done about dependencies that something in the member keeps writing, as cert-manager
    /// or External Secrets do [default: Skip]
    #[arg(long, value_name = "ACTION", ignore_case = true)]
    pub(crate) managed_dependencies: Option<ManagedDependency>,

    /// What is done about workloads that Helm, Argo CD or Flux manages [default: Refuse]
    #[arg(long, value_name = "ACTION", ignore_case = true)]
    pub(crate) managed_workload: Option<Managed>,

    /// What happens in a cluster that leaves the workload's placement later on [default: Delete]
    #[arg(long, value_name = "ACTION", ignore_case = true)]
    pub(crate) on_cluster_removal: Option<Removal>,

    /// What is done about objects that bear marks of a Karmada which has no Work for them here
    /// [default: Refuse]
    #[arg(long, value_name = "ACTION", ignore_case = true)]
    pub(crate) stale_marks: Option<Stale>,

    /// Show what would be created, validated by the control plane; write nothing anywhere
    #[arg(long, conflicts_with_all = ["observe", "rehearse"])]
    pub(crate) dry_run: bool,

    /// Have the hub predict what Karmada's write would change, and nothing else
    #[arg(long, conflicts_with = "rehearse")]
    pub(crate) observe: bool,

    /// Have the hub stage and rehearse the promotion, report, and take everything staged away
    #[arg(long)]
    pub(crate) rehearse: bool,

    #[command(flatten)]
    pub(crate) wait: Wait,

    /// Print the Promotions in the end, or, with --dry-run, everything that would be created
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// The flags of `status`.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// The workloads; all of the namespace, if there are none
    #[arg(value_name = "WORKLOAD")]
    pub(crate) workloads: Vec<String>,

    /// Show those of all namespaces
    #[arg(short = 'A', long, conflicts_with = "workloads")]
    pub(crate) all_namespaces: bool,

    /// How to print them
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<StatusFormat>,
}

/// The flags of `release`.
#[derive(Args, Debug)]
pub(crate) struct Release {
    /// The workloads: deployment/NAME …, or deployment NAME …
    #[arg(value_name = "WORKLOAD", required = true)]
    pub(crate) workloads: Vec<String>,

    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// The flags of waiting.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// Wait until it is done
    #[arg(
        long,
        value_name = "BOOLEAN",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set,
    )]
    pub(crate) wait: bool,

    /// How long to wait, as 90s, 5m or 1h30m; 0 waits for ever. What is being done goes on
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::limit)]
    pub(crate) timeout: Limit,
}

impl Arguments {
    /// Reads the process's command line; ends the process where it cannot be understood.
    pub(crate) fn read() -> Self {
        Self::from_words(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn from_words<W>(words: impl IntoIterator<Item = W>) -> Result<Self, clap::Error>
    where
        W: Into<std::ffi::OsString> + Clone,
    {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(words)?;
        if let Some((verb, _)) = matches.subcommand()
            && let Some(flag) = misplaced(&command, &matches)
        {
            let message = format!("{flag} cannot be used with '{verb}', or must come after it");
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        let arguments = Self::from_arg_matches(&matches)?;
        if arguments.promote.dependencies.len() > 1
            && arguments.promote.dependencies.contains(&Dependency::None)
        {
            let message = "--dependencies is either none or kinds of dependencies";
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        Ok(arguments)
    }
}

/// A flag of promoting that was given beside a verb, which would not heed it: somebody who types
/// `--dry-run release …` must not find the workload released.
fn misplaced(command: &clap::Command, matches: &ArgMatches) -> Option<String> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_global_set())
        .find(|argument| {
            let id = argument.get_id().as_str();
            matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        })
        .map(|argument| match argument.get_long() {
            Some(long) => format!("--{long}"),
            None => "a workload before the verb".to_owned(),
        })
}

fn label(text: &str) -> Result<String, String> {
    if target::is_label(text) {
        Ok(text.to_owned())
    } else {
        Err("a name consists of lower-case letters, digits and '-'".to_owned())
    }
}

impl Promote {
    /// What the flags ask for.
    pub(crate) const fn desired_state(&self) -> DesiredState {
        if self.observe {
            DesiredState::Observed
        } else if self.rehearse {
            DesiredState::Rehearsed
        } else {
            DesiredState::Promoted
        }
    }

    /// The kinds of dependencies that were asked for, if any were.
    pub(crate) fn dependencies(&self) -> Option<Vec<DependencyKind>> {
        if self.dependencies.is_empty() {
            return None;
        }
        let mut kinds: Vec<_> = self
            .dependencies
            .iter()
            .filter_map(|dependency| match dependency {
                Dependency::ConfigMap => Some(DependencyKind::ConfigMap),
                Dependency::Secret => Some(DependencyKind::Secret),
                Dependency::ServiceAccount => Some(DependencyKind::ServiceAccount),
                Dependency::None => None,
            })
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        Some(kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::from_words(std::iter::once("kubectl-promote").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_workload_is_promoted_without_a_verb() {
        let arguments =
            read("deployment/web -n shop -C member1 --wait=false --timeout 90s").unwrap();
        assert!(arguments.command.is_none());
        assert_eq!(arguments.promote.workloads, ["deployment/web"]);
        assert_eq!(arguments.promote.cluster.as_deref(), Some("member1"));
        assert_eq!(arguments.connection.namespace.as_deref(), Some("shop"));
        assert!(!arguments.promote.wait.wait);
        assert_eq!(arguments.promote.desired_state(), DesiredState::Promoted);
    }

    #[test]
    fn a_workload_may_be_called_like_a_verb() {
        let arguments = read("deployment status -C member1").unwrap();
        assert!(arguments.command.is_none());
        assert_eq!(arguments.promote.workloads, ["deployment", "status"]);
    }

    #[test]
    fn connection_flags_stand_on_either_side_of_a_verb() {
        for line in [
            "-n shop status deployment/web",
            "status -n shop deployment/web",
        ] {
            let arguments = read(line).unwrap();
            assert!(matches!(&arguments.command, Some(Command::Status(status))
                if status.workloads == ["deployment/web"]));
            assert_eq!(arguments.connection.namespace.as_deref(), Some("shop"));
        }
    }

    #[test]
    fn a_member_is_named_after_what_is_to_be_done_with_it() {
        let arguments = read("member enable member1 -o yaml").unwrap();
        assert!(
            matches!(&arguments.command, Some(Command::Member { action: Member::Enable(enabled) })
            if enabled.member.cluster == "member1" && enabled.output == Some(Format::Yaml))
        );
        let line = "member disable member1 --member-kubeconfig a --member-context b";
        assert!(matches!(
            read(line).unwrap().command,
            Some(Command::Member {
                action: Member::Disable { .. }
            })
        ));
        for line in [
            "member",
            "member enable",
            "member enable a --member-context b",
        ] {
            read(line).unwrap_err();
        }
    }

    #[test]
    fn flags_of_promoting_are_refused_before_a_verb() {
        for line in [
            "--dry-run release deployment/web",
            "-C member1 status",
            "--timeout 1m release deployment/web",
        ] {
            let error = read(line).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{line}");
        }
    }

    #[test]
    fn what_is_missing_or_contradictory_is_told() {
        for (line, kind) in [
            ("deployment/web", ErrorKind::MissingRequiredArgument),
            ("-C member1", ErrorKind::MissingRequiredArgument),
            (
                "deploy/web -C m --dry-run --observe",
                ErrorKind::ArgumentConflict,
            ),
            (
                "deploy/web -C m --dependencies=none,Secret",
                ErrorKind::ArgumentConflict,
            ),
            (
                "deploy/web -C m --dependencies=Pod",
                ErrorKind::InvalidValue,
            ),
            ("deploy/web -C ../m", ErrorKind::ValueValidation),
            ("deploy/web -C m --timeout soon", ErrorKind::ValueValidation),
            (
                "deploy/web -C m --as-group g",
                ErrorKind::MissingRequiredArgument,
            ),
            ("status -A deploy/web", ErrorKind::ArgumentConflict),
            ("release", ErrorKind::MissingRequiredArgument),
        ] {
            assert_eq!(read(line).unwrap_err().kind(), kind, "{line}");
        }
    }

    #[test]
    fn what_is_marked_may_be_promoted_by_flag() {
        let line = "deploy/web -C m --managed-workload allow --stale-marks=Strip \
                    --managed-dependencies Copy";
        let promote = read(line).unwrap().promote;
        assert_eq!(promote.managed_workload, Some(Managed::Allow));
        assert_eq!(promote.stale_marks, Some(Stale::Strip));
        assert_eq!(promote.managed_dependencies, Some(ManagedDependency::Copy));
        assert_eq!(read("deploy/web -C m").unwrap().promote.stale_marks, None);
    }

    #[test]
    fn dependencies_are_all_unless_said_otherwise() {
        let kinds = |line: &str| read(line).unwrap().promote.dependencies();
        assert_eq!(kinds("deploy/web -C m"), None);
        assert_eq!(kinds("deploy/web -C m --dependencies=none"), Some(vec![]));
        assert_eq!(
            kinds("deploy/web -C m --dependencies=secret,ConfigMap"),
            Some(vec![DependencyKind::ConfigMap, DependencyKind::Secret])
        );
    }
}
