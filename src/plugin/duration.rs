//! Durations, as they are typed and as they are shown.

use std::time::Duration;

use jiff::SignedDuration;

/// How long to wait, at the most. Nothing: for ever.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

/// Reads a duration as kubectl does: `90s`, `5m`, `1h30m`; 0 is no limit.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    // kubectl's --request-timeout takes a number of seconds, too.
    if let Ok(seconds) = text.parse() {
        return Ok(of_nonzero(Duration::from_secs(seconds)));
    }
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .map(of_nonzero)
        .ok_or_else(|| "write it as 90s, 5m or 1h30m; 0 for no limit".to_owned())
}

const fn of_nonzero(duration: Duration) -> Limit {
    Limit(if duration.is_zero() {
        None
    } else {
        Some(duration)
    })
}

/// How long something has taken so far: `0.4s`, `12.3s`, `2m05s`.
pub(crate) fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{seconds}.{}s", duration.subsec_millis() / 100)
    } else {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    }
}

/// How old something is, as kubectl's tables say it.
///
/// Source: apimachinery's `pkg/util/duration/duration.go`, `HumanDuration`.
pub(crate) fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |first: String, rest: u64, unit: char| match rest {
        0 => first,
        _ => format!("{first}{rest}{unit}"),
    };
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        with(format!("{minutes}m"), seconds % 60, 's')
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        with(format!("{hours}h"), minutes % 60, 'm')
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 192 {
        with(format!("{days}d"), hours % 24, 'h')
    } else if days < 730 {
        format!("{days}d")
    } else if days < 2920 {
        with(format!("{}y", days / 365), days % 365, 'd')
    } else {
        format!("{}y", days / 365)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubectl_reads_them() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h30m", 5400), ("30", 30)] {
            let read = Limit(Some(Duration::from_secs(seconds)));
            assert_eq!(limit(text), Ok(read), "{text}");
        }
        assert_eq!(limit("250ms"), Ok(Limit(Some(Duration::from_millis(250)))));
        assert_eq!(limit("0"), Ok(Limit(None)));
        assert_eq!(limit("0s"), Ok(Limit(None)));
        for text in ["", "-5s", "5 apples", "m"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_short() {
        assert_eq!(elapsed(Duration::from_millis(449)), "0.4s");
        assert_eq!(elapsed(Duration::from_secs(125)), "2m05s");
        let cases = [
            (5, "5s"),
            (119, "119s"),
            (185, "3m5s"),
            (600, "10m"),
            (4 * 3600 + 300, "4h5m"),
            (30 * 3600, "30h"),
            (3 * 86_400, "3d"),
            (100 * 86_400, "100d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
