//! Who opted in, as the member's admission has stamped it.
//!
//! A stamp is the name of the installation that pins stamps in the member, and the user's name. The
//! installation is named at random when it is installed, so that a stamp which somebody wrote while
//! nothing pinned any is known by the name that it lacks.

/// What stands between the installation and the user, whose name may contain it.
const SEPARATOR: char = ':';

/// The stamp of a user.
///
/// Without an installation's name it is the user's alone, which is what counts where the policy of
/// the member pins it like that.
#[must_use]
pub fn stamp(installation: &str, username: &str) -> String {
    format!("{}{username}", prefix(installation))
}

/// The user that a stamp names; nothing where it is not of this installation, or names nobody.
#[must_use]
pub fn requester<'a>(stamp: &'a str, installation: &str) -> Option<&'a str> {
    stamp
        .strip_prefix(&prefix(installation))
        .filter(|username| !username.is_empty())
}

/// What every stamp of an installation begins with.
#[must_use]
pub fn prefix(installation: &str) -> String {
    if installation.is_empty() {
        String::new()
    } else {
        format!("{installation}{SEPARATOR}")
    }
}

/// Whether a text can name an installation: lower-case letters and digits, 8 to 64 of them.
#[must_use]
pub fn is_installation(text: &str) -> bool {
    let known = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    (8..=64).contains(&text.len()) && text.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_names_its_user_to_its_own_installation_only() {
        let user = "system:serviceaccount:shop:deployer";
        let stamped = stamp("0a1b2c3d", user);
        assert_eq!(stamped, "0a1b2c3d:system:serviceaccount:shop:deployer");
        assert_eq!(requester(&stamped, "0a1b2c3d"), Some(user));
        assert_eq!(requester(&stamped, "99999999"), None);
        assert_eq!(requester(user, "0a1b2c3d"), None);
        assert_eq!(requester("0a1b2c3d:", "0a1b2c3d"), None);
        assert_eq!(requester("0a1b2c3d", "0a1b2c3d"), None);
    }

    #[test]
    fn without_an_installations_name_the_users_stands_alone() {
        assert_eq!(stamp("", "alice"), "alice");
        assert_eq!(requester("alice", ""), Some("alice"));
        assert_eq!(requester("", ""), None);
    }

    #[test]
    fn an_installation_is_named_by_letters_and_digits() {
        assert!(is_installation("0a1b2c3d"));
        for wrong in [
            "",
            "0a1b2c3",
            "0A1B2C3D",
            "0a1b:c3d",
            "0a1b2c3d'",
            &"a".repeat(65),
        ] {
            assert!(!is_installation(wrong), "{wrong}");
        }
    }
}
