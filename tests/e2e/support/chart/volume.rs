//! A pod's volumes, as folders.

use std::{
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use kube::{api::PostParams, core::Request};
use serde_json::{Value, json};

use super::{
    paths::Paths,
    source::{Source, Values, field},
};
use crate::support::{Cluster, Kind};

/// What a kubelet gives files for which nothing is said.
const MODE: u64 = 0o644;

/// Writes every volume below a folder, and returns where the container finds them.
pub(super) async fn write_all(
    cluster: &Cluster,
    folder: &Path,
    pod: &Value,
    container: &Value,
) -> Result<Paths> {
    for volume in volumes(pod) {
        let name = volume["name"].as_str().context("a volume's name")?;
        write_one(cluster, folder, pod, volume)
            .await
            .with_context(|| format!("MountVolume.SetUp failed for volume {name:?}"))?;
    }
    let mut paths = Paths::default();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let word = |key: &str| {
            mount[key]
                .as_str()
                .with_context(|| format!("a mount's {key}"))
        };
        let mounted = folder.join(word("name")?);
        ensure!(mounted.is_dir(), "there is no volume {}", word("name")?);
        let below = mount["subPath"].as_str().unwrap_or_default();
        paths.add(word("mountPath")?, mounted.join(below));
    }
    Ok(paths)
}

/// Writes those volumes anew whose Secret or ConfigMap has changed.
pub(super) async fn refresh(cluster: &Cluster, folder: &Path, pod: &Value) -> Result<()> {
    let changes = |volume: &&Value| volume["secret"].is_object() || volume["configMap"].is_object();
    for volume in volumes(pod).filter(changes) {
        // One that is gone stays as it was.
        if let Err(error) = write_one(cluster, folder, pod, volume).await {
            println!("a volume is not refreshed: {error:#}");
        }
    }
    Ok(())
}

fn volumes(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["spec"]["volumes"].as_array().into_iter().flatten()
}

async fn write_one(cluster: &Cluster, folder: &Path, pod: &Value, volume: &Value) -> Result<()> {
    let name = volume["name"].as_str().context("a volume's name")?;
    let files = files(cluster, pod, volume).await?;
    let mode = ["secret", "configMap", "projected", "downwardAPI"]
        .into_iter()
        .find_map(|kind| volume[kind]["defaultMode"].as_u64());
    write(&folder.join(name), &files, mode.unwrap_or(MODE))
}

async fn files(cluster: &Cluster, pod: &Value, volume: &Value) -> Result<Values> {
    if volume["emptyDir"].is_object() {
        return Ok(Values::new());
    }
    let Some(sources) = volume["projected"]["sources"].as_array() else {
        return part(cluster, pod, volume).await;
    };
    let mut files = Values::new();
    for source in sources {
        files.append(&mut part(cluster, pod, source).await?);
    }
    Ok(files)
}

/// The files of a volume, or of one source of a projected volume.
async fn part(cluster: &Cluster, pod: &Value, volume: &Value) -> Result<Values> {
    if let Some(items) = volume["downwardAPI"]["items"].as_array() {
        let file = |item: &Value| {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let value = field(pod, &word(&item["fieldRef"]["fieldPath"]))?;
            Ok((word(&item["path"]), value.into_bytes()))
        };
        return items.iter().map(file).collect();
    }
    let token = &volume["serviceAccountToken"];
    if let Some(path) = token["path"].as_str() {
        let token = request_token(cluster, pod, token).await?;
        return Ok(Values::from([(path.to_owned(), token.into_bytes())]));
    }
    Source::of(volume, &["secret", "configMap"])?
        .read_files(cluster)
        .await
}

/// Asks for a token of the pod's ServiceAccount that ends with the pod.
async fn request_token(cluster: &Cluster, pod: &Value, wanted: &Value) -> Result<String> {
    let account = pod["spec"]["serviceAccountName"].as_str();
    let account = account.context("the pod has no ServiceAccount")?;
    let mut spec = json!({
        "boundObjectRef": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        },
        "expirationSeconds": wanted["expirationSeconds"],
    });
    if let Some(audience) = wanted["audience"].as_str() {
        spec["audiences"] = json!([audience]);
    }
    let path = Kind::service_account().path_in(cluster.namespace());
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": spec,
    });
    let body = request.to_string().into_bytes();
    let parameters = PostParams::default();
    let request = Request::new(path).create_subresource("token", account, &parameters, body)?;
    let answer: Value = cluster
        .client()
        .request(request)
        .await
        .with_context(|| format!("failed to fetch a token of ServiceAccount {account}"))?;
    match answer["status"]["token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => bail!("the API server gave no token"),
    }
}

/// Puts a folder with the files in the place of the one before by a symbolic link, as a kubelet
/// does: whoever reads two files reads them of the same version, or sees that it is gone.
fn write(folder: &Path, files: &Values, mode: u64) -> Result<()> {
    const DATA: &str = "..data";
    const NEW: &str = "..data_tmp";
    std::fs::create_dir_all(folder)?;
    let is_as_before = |(path, content): (&String, &Vec<u8>)| {
        std::fs::read(folder.join(DATA).join(path)).is_ok_and(|before| before == *content)
    };
    if folder.join(DATA).is_dir() && files.iter().all(is_as_before) {
        return Ok(());
    }
    let version = format!("..{}", jiff::Timestamp::now().as_nanosecond());
    for (path, content) in files {
        let path = folder.join(&version).join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, content)?;
        let mode = u32::try_from(mode)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    std::fs::create_dir_all(folder.join(&version))?;
    let before = std::fs::read_link(folder.join(DATA)).ok();
    symlink(&version, folder.join(NEW))?;
    std::fs::rename(folder.join(NEW), folder.join(DATA))?;
    for path in files.keys() {
        let first = path.split('/').next().unwrap_or(path);
        let link = folder.join(first);
        if !link.is_symlink() {
            symlink(Path::new(DATA).join(first), link)?;
        }
    }
    if let Some(before) = before {
        std::fs::remove_dir_all(folder.join(before))?;
    }
    Ok(())
}
