//! A small process that outlives this one by a moment and takes the fleet with it.
//!
//! It reads process ids from its standard input. When that ends without a farewell, the fleet's
//! owner is gone (a Ctrl-C, a crash, a kill -9, or a test that never dropped its fleet), and it
//! kills the process groups and removes the folder.

use std::{
    fs::File,
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use super::ProcessError;

/// A shell is on every machine; a program of our own would have to be built and found first.
const SCRIPT: &str = r#"
groups=
while read -r verb group; do
  case $verb in
    watch) groups="$groups $group" ;;
    forget)
      kept=
      for other in $groups; do
        [ "$other" = "$group" ] || kept="$kept $other"
      done
      groups=$kept ;;
    leave) exit 0 ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
# A killed process may still be writing for a moment.
for attempt in 1 2 3 4 5; do
  if [ "$2" = keep-logs ]; then
    find "$1" -mindepth 1 -maxdepth 1 ! -name logs -exec rm -rf {} + && exit 0
  else
    rm -rf "$1" && exit 0
  fi
  sleep 0.2
done 2>/dev/null
"#;

pub(super) struct Watchdog {
    child: Child,
    orders: ChildStdin,
}

impl Watchdog {
    /// Starts one that will remove `folder`, except its logs when they are to be kept. It holds
    /// `lock` as long as it lives, so that nobody uses the folder before it is done with it.
    pub(super) fn start(folder: &Path, lock: &File, keep_logs: bool) -> Result<Self, ProcessError> {
        let error = |source: std::io::Error| ProcessError::Spawn {
            name: "the fleet's watchdog".into(),
            program: "sh".into(),
            source,
        };
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "fleet-watchdog"])
            .arg(folder)
            .arg(if keep_logs { "keep-logs" } else { "" })
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(lock.try_clone().map_err(error)?)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(error)?;
        let orders = child
            .stdin
            .take()
            .ok_or_else(|| error(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { child, orders })
    }

    pub(super) fn watch(&mut self, pid: u32) {
        self.order(&format!("watch {pid}\n"));
    }

    pub(super) fn forget(&mut self, pid: u32) {
        self.order(&format!("forget {pid}\n"));
    }

    /// Lets it end without doing anything.
    pub(super) fn leave(mut self) {
        self.order("leave\n");
        drop(self.orders);
        // Its exit status says nothing of interest.
        let _ = self.child.wait();
    }

    /// A watchdog that somebody has killed protects nothing any more, but the fleet itself is well.
    fn order(&mut self, order: &str) {
        let _ = self.orders.write_all(order.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn lock() -> File {
        File::open("/dev/null").unwrap()
    }

    fn sleeper() -> Child {
        Command::new("sleep")
            .arg("60")
            .process_group(0)
            .spawn()
            .unwrap()
    }

    #[test]
    fn it_kills_when_its_owner_is_gone_and_removes_the_folder() {
        let folder = std::env::temp_dir().join(format!("watchdog-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("data")).unwrap();
        let mut kept = sleeper();
        let mut killed = sleeper();
        let mut watchdog = Watchdog::start(&folder, &lock(), false).unwrap();
        watchdog.watch(kept.id());
        watchdog.watch(killed.id());
        watchdog.forget(kept.id());
        drop(watchdog.orders);
        assert!(watchdog.child.wait().unwrap().success());
        assert!(!killed.wait().unwrap().success());
        assert!(kept.try_wait().unwrap().is_none());
        assert!(!folder.exists());
        kept.kill().unwrap();
        kept.wait().unwrap();
    }

    #[test]
    fn it_leaves_everything_alone_after_a_farewell() {
        let mut child = sleeper();
        let mut watchdog = Watchdog::start(Path::new("/nonexistent"), &lock(), false).unwrap();
        watchdog.watch(child.id());
        let before = Instant::now();
        watchdog.leave();
        assert!(before.elapsed() < Duration::from_secs(10));
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
