//! The pure rules of a promotion: values in, values out.
//!
//! What is read elsewhere comes in as JSON or as small observations; what goes out is a plan, a
//! verdict, a patch or the next action, to be printed or to be executed elsewhere. Nothing here
//! may know a client, a clock or a runtime.
//!
//! In the order in which a promotion meets them:
//! - [`object`]: the objects a promotion is about, and what they are called in Karmada;
//! - [`stamp`]: who opted in, as a member says it;
//! - [`verdict`]: what is said to an opt-in;
//! - [`authorization`] and [`opt_in`]: what whoever asks must be allowed to do by themselves;
//! - [`closure`]: what a pod template needs to start;
//! - [`precondition`]: what must hold before anything is written;
//! - [`plan`]: what will be created, what is reused, what stays, or why not;
//! - [`template`]: a member's object made into a resource template;
//! - [`policy`]: the policies, and the patches that stage, commit and settle them;
//! - [`observation`] and [`step`]: what is seen of all that, and what to do next;
//! - [`rehearsal`]: what Karmada's write will be, and what it would change;
//! - [`late_edit`]: what a person edits in the member while Karmada takes over;
//! - [`snapshot`]: whether a workload is still what it was;
//! - [`strip`]: a member's object without the marks that Karmada left;
//! - [`merge_patch`]: how one value takes the place of another.

pub mod authorization;
pub mod closure;
pub mod late_edit;
pub mod manager;
pub mod merge_patch;
pub mod object;
pub mod observation;
pub mod opt_in;
pub mod plan;
pub mod policy;
pub mod precondition;
pub mod rehearsal;
pub mod snapshot;
pub mod stamp;
pub mod step;
pub mod strip;
pub mod template;
pub mod verdict;
