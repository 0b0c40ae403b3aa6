//! Builds a module's programs into a temporary folder and renames it when it is whole, so that an
//! interrupted build is never taken for a finished one.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{
    Manifests, ProgramsError, io_error, key, lock,
    module::{GoModule, built_name, stable_name},
    progress::Progress,
};
use crate::cache;

const TAIL_LINES: usize = 20;

/// The folder with the module's programs, which are built when they are not there yet.
pub(super) async fn ensure(module: &GoModule) -> Result<PathBuf, ProgramsError> {
    let key = key::of(module)?;
    let programs = cache::folder()?.join("programs");
    let finished = programs.join(&key);
    if finished.is_dir() {
        return Ok(finished);
    }
    std::fs::create_dir_all(&programs).map_err(io_error("create", &programs))?;
    let _lock = lock::acquire(&programs.join(".lock")).await?;
    if finished.is_dir() {
        return Ok(finished);
    }
    let unfinished = programs.join(format!(".{key}.unfinished"));
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(io_error("remove", &unfinished))?;
    }
    build(module, &unfinished).await?;
    std::fs::rename(&unfinished, &finished).map_err(io_error("rename", &unfinished))?;
    Ok(finished)
}

async fn build(module: &GoModule, into: &Path) -> Result<(), ProgramsError> {
    let mut progress = Progress::start(module.name);
    let bin = into.join("bin");
    std::fs::create_dir_all(&bin).map_err(io_error("create", &bin))?;
    let packages = run(module, &["list", "-deps", "tool"], |message| {
        if let Some(downloaded) = message.strip_prefix("go: downloading ") {
            progress.downloaded(downloaded);
        }
    })
    .await?;
    progress.expect(packages.lines().count());
    let linker_flags = format!("-ldflags={}", module.linker_flags()?);
    let output = bin.to_string_lossy();
    run(
        module,
        &["build", "-v", &linker_flags, "-o", &output, "tool"],
        |package| progress.compiled(package),
    )
    .await?;
    for tool in module.tools() {
        let built = bin.join(built_name(tool));
        std::fs::rename(&built, bin.join(stable_name(tool))).map_err(io_error("rename", &built))?;
    }
    if let Some(owner) = module.manifests_of {
        let folder = run(module, &["list", "-m", "-f", "{{.Dir}}", owner], |_| {}).await?;
        Manifests::kept_in(into).copy_from(Path::new(folder.trim()))?;
    }
    progress.finish();
    Ok(())
}

/// Runs Go in the module's folder: its output is returned, its messages are given to `on_message`
/// one by one, and their end is kept for the error.
async fn run(
    module: &GoModule,
    arguments: &[&str],
    mut on_message: impl FnMut(&str),
) -> Result<String, ProgramsError> {
    let mut child = Command::new("go")
        .args(arguments)
        .current_dir(&module.folder)
        // No C compiler is needed, and no repository's state gets into the programs.
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ProgramsError::GoMissing {
                needed: module.go_version().into(),
            },
            _ => io_error("run go in", &module.folder)(source),
        })?;
    let messages = child.stderr.take();
    let follow = async {
        let mut tail = VecDeque::new();
        let Some(messages) = messages else {
            return tail;
        };
        let mut lines = BufReader::new(messages).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            on_message(&line);
            // Without a network, Go says the same of every module.
            if tail.back() != Some(&line) {
                tail.push_back(line);
            }
            if tail.len() > TAIL_LINES {
                tail.pop_front();
            }
        }
        tail
    };
    let (tail, output) = tokio::join!(follow, child.wait_with_output());
    let output = output.map_err(io_error("run go in", &module.folder))?;
    if !output.status.success() {
        return Err(ProgramsError::Build {
            command: format!("go {}", arguments.join(" ")),
            folder: module.folder.clone(),
            status: output.status.to_string(),
            tail: tail.into_iter().collect::<Vec<_>>().join("\n"),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
