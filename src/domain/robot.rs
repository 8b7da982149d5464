//! Programs that say by their name that nobody reads what they fetch: scanners of mail, previews of messengers, crawlers.

/// What their names have in them.
const WORDS: [&str; 16] = [
    "crawl",
    "spider",
    "slurp",
    "scan",
    "facebookexternalhit",
    "whatsapp",
    "slack-imgproxy",
    "preview",
    "monitor",
    "archiver",
    "barracuda",
    "mimecast",
    "proofpoint",
    "safelinks",
    "google-safety",
    "embedly",
];

/// A maker of phones, whose name stands in that of their browsers.
const NO_BOT: &str = "cubot";

/// Whether a `User-Agent` calls itself a robot.
pub fn is_robot(agent: &[u8]) -> bool {
    let agent = agent.to_ascii_lowercase();
    let has = |word: &str| agent.windows(word.len()).any(|window| window == word.as_bytes());
    has("bot") && !has(NO_BOT) || WORDS.into_iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_are_known_by_their_names_and_people_and_their_tools_are_none() {
        let mut seen = 0;
        for (agent, robot) in [
            ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", true),
            ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", true),
            ("WhatsApp/2.23.20.0", true),
            ("TelegramBot (like TwitterBot)", true),
            ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", true),
            ("Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", true),
            ("Barracuda Sentinel (EE)", true),
            ("", false),
            ("curl/7.88.1", false),
            ("Wget/1.21.3", false),
            ("aria2/1.36.0", false),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", false),
            ("Mozilla/5.0 (Linux; Android 11; CUBOT X50) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36", false),
            ("AndroidDownloadManager/11 (Linux; U; Android 11; CUBOT X50)", false),
        ] {
            assert_eq!(is_robot(agent.as_bytes()), robot, "{agent}");
            seen += 1;
        }
        assert_eq!(seen, 14);
    }
}
