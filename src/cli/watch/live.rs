//! What the served page has beside the written one: a version, and a script that loads the page
//! again when there is another. The page's policy admits it by its hash.

use crate::report::script_hash;

const SCRIPT: &str = include_str!("live.js");
/// Where the page's policy admits scripts.
const POLICY: &str = "default-src 'none'; ";

/// The page as it is served; `page` is that of the report.
pub(super) fn page(page: &str, version: u64) -> String {
    let hash = script_hash(SCRIPT);
    let policy = format!("{POLICY}connect-src 'self'; ");
    let head = format!(
        "<meta name=\"version\" content=\"{version}\">\n<script defer>{SCRIPT}</script>\n</head>"
    );
    page.replacen(POLICY, &policy, 1)
        .replacen("script-src '", &format!("script-src '{hash}' '"), 1)
        .replacen("</head>", &head, 1)
}

/// What is served while a run has nothing to show.
pub(super) fn waiting(why: &str, version: u64) -> String {
    let why: String = why
        .chars()
        .map(|c| if c.is_control() || "<>&\"'".contains(c) { ' ' } else { c })
        .collect();
    let empty = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}script-src '{}'\">\n\
         <title>waiting</title>\n</head>\n<body>\n<p>Nothing to show yet: {why}.</p>\n\
         </body>\n</html>\n",
        script_hash("")
    );
    page(&empty, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_admitted_once_and_the_rest_of_the_page_stays() {
        let hash = script_hash(SCRIPT);
        let text = waiting("<script>alert(1)</script> & more", 7);
        let policy = text.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
        let policy = policy.split('"').next().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; connect-src 'self'; "),
            "{policy}"
        );
        assert!(policy.contains(&format!("script-src '{hash}' 'sha256-")), "{policy}");
        assert_eq!(text.matches("<meta name=\"version\" content=\"7\">").count(), 1);
        assert_eq!(text.matches(SCRIPT).count(), 1);
        assert!(!text.contains("alert(1)</script>"), "{text}");
        assert!(!SCRIPT.contains("</"));
    }
}
