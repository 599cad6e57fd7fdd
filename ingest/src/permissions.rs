//! What a publisher may do on the broker, as the broker's configuration.

use schemas::id::{SignerId, Tenant};
use schemas::kind::Stream;

use crate::subjects::{self, Subjects};

/// The `permissions` block of `signer`'s user: to submit under its own token, to read its own receipts,
/// announcements and its inbox, and nothing else. `op` adds registry and control statements.
///
/// Goes inside the braces of a user in nats-server's configuration:
///
/// ```text
/// authorization { users: [ { nkey: U..., permissions: {...} } ] }
/// ```
#[must_use]
pub fn permissions(tenant: &Tenant, signer: &SignerId, op: bool) -> String {
    let subjects = Subjects::new(tenant);
    let token = signer.token();
    let mut publish = vec![subjects.submit(Stream::In, &token)];
    if op {
        publish.push(subjects.submit(Stream::Op, &token));
    }
    let inbox = format!("{}.>", subjects::inbox(&token));
    let subscribe = [subjects.receipt(&token), subjects.control(), inbox];
    // Debug form, because a signer's name may hold what a terminal or a reader would misread.
    let signer = signer.as_str();
    format!(
        "# {signer:?}\npermissions: {{\n  publish: {{ allow: {publish:?} }}\n  \
         subscribe: {{ allow: {subscribe:?} }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_nothing_but_the_signers_own() {
        let tenant = Tenant::parse("acme").unwrap();
        let signer = SignerId::parse("a\u{2028}} agent").unwrap();
        let token = signer.token();
        let check = |op, publish: &[String]| {
            let text = permissions(&tenant, &signer, op);
            let expected = format!(
                "# \"a\\u{{2028}}}} agent\"\npermissions: {{\n  publish: {{ allow: {publish:?} }}\n  \
                 subscribe: {{ allow: [\"sworn.v1.acme.receipt.{token}\", \
                 \"sworn.v1.acme.control\", \"_INBOX_{token}.>\"] }}\n}}\n"
            );
            assert_eq!(text, expected);
        };
        let submit = |word| format!("sworn.v1.acme.{word}.{token}");
        check(false, &[submit("in")]);
        check(true, &[submit("in"), submit("op")]);
    }
}
