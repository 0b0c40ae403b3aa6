//! Kubeconfig files with embedded certificates.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::certificates::Pair;

/// A kubeconfig with one context, `name`. User and cluster carry the name too, so that kubectl can
/// merge several of these files.
pub(crate) fn render(name: &str, user: &str, port: u16, authority: &str, pair: &Pair) -> String {
    let encode = |text: &str| STANDARD.encode(text);
    format!(
        "apiVersion: v1
kind: Config
current-context: {name}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}-{user}
clusters:
- name: {name}
  cluster:
    server: https://127.0.0.1:{port}
    certificate-authority-data: {authority}
users:
- name: {name}-{user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
",
        authority = encode(authority),
        certificate = encode(&pair.certificate),
        key = encode(&pair.key),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_kubeconfig_is_read_back() {
        let pair = Pair {
            certificate: "certificate".into(),
            key: "key".into(),
        };
        let text = render("member1", "admin", 6443, "authority", &pair);
        let read = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("member1"));
        let cluster = read.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:6443"));
        assert_eq!(
            cluster.certificate_authority_data.as_deref(),
            Some("YXV0aG9yaXR5")
        );
        assert_eq!(read.auth_infos[0].name, "member1-admin");
    }
}
