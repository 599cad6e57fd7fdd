//! `verifier.html`: a page that checks the bundle it lies in, in a browser, without a network.
//!
//! It holds nothing of the evidence, so nothing that agents wrote can act in it: whoever opens it gives it the
//! file. Its policy admits this one script and this one style, by their digests, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::id::sha256;

pub(super) const NAME: &str = "verifier.html";

const SCRIPT: &str = include_str!("verifier.js");
const STYLE: &str = "\
body { font: 15px/1.45 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
label { display: block; margin: .75rem 0 } input[type=text] { width: 100%; font-family: monospace }
.good { color: #14602b } .bad { color: #a40000; font-weight: 600 } .open { color: #7a4b00 } li { overflow-wrap: anywhere }
";

const BODY: &str = "\
<h1>Check an evidence bundle here</h1>
<p>Nothing leaves this page. TRUST is what the ledger's operator published when the ledger was made.</p>
<label>The bundle <input type=\"file\" id=\"file\" accept=\".zip\"></label>
<label>TRUST: SHA256:&hellip; or host/tenant+&hellip; <input type=\"text\" id=\"trust\" autocomplete=\"off\" spellcheck=\"false\"></label>
<ul id=\"steps\"></ul>
<h2>What this page does not check</h2>
<ul>
<li>Itself: it came with the file, and whoever forges the one can forge the other.</li>
<li>Signatures of agents and operators, and whether their keys were valid at their place.</li>
<li>Completeness: the ledger's claims, ordinals and numbers of signers.</li>
<li>Redactions, witnesses' cosignatures, and changes of the ledger's key.</li>
<li>That the report says what the evidence says, and that another tool sees the same files in the archive.</li>
</ul>
<p>The full check is offline, too: <code>sworn verify FILE --trust TRUST --explain</code></p>
<noscript>Without scripts this page checks nothing.</noscript>
";

/// The page, from its first to its last byte.
pub(super) fn page() -> String {
    let [script, style] = [SCRIPT, STYLE].map(|text| STANDARD.encode(sha256(text.as_bytes())));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         script-src 'sha256-{script}'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Check an evidence bundle</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{BODY}<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_and_writes_no_markup() {
        let page = page();
        for word in
            ["http:", "https:", "//cdn", "innerHTML", "outerHTML", "document.write", "eval("]
        {
            assert!(!page.contains(word), "{word}");
        }
        assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
        assert_eq!(page.matches("<script>").count(), 1);
        assert!(SCRIPT.lines().count() < 400, "a page that can be read");
    }
}
