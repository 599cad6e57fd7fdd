#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::process::Command;

use serde_json::json;

use super::super::jwks::{ALGORITHMS, read};
use super::*;

const NOW_S: u64 = 1_775_606_400;

/// Keys and tokens of an issuer that shares no code with us: every token is about the same claims.
const ISSUER: &str = r#"
import base64, json, sys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

def text(data): return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
def number(n, size): return text(n.to_bytes(size, "big"))
def pkcs1(key, said): return key.sign(said, padding.PKCS1v15(), hashes.SHA256())
def pss(key, said): return key.sign(said, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
def der(key, said): return key.sign(said, ec.ECDSA(hashes.SHA256()))
def pair(key, said): return b"".join(n.to_bytes(32, "big") for n in utils.decode_dss_signature(der(key, said)))
def token(header, key, sign):
    said = ".".join(text(json.dumps(part).encode()) for part in (header, json.loads(sys.argv[1])))
    return said + "." + text(sign(key, said.encode()))

rsas = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
curves = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
r, e = rsas[0].public_key().public_numbers(), curves[0].public_key().public_numbers()
keys = [
    {"kty": "RSA", "kid": "r", "use": "sig", "alg": "RS256", "n": number(r.n, 256), "e": number(r.e, 3)},
    {"kty": "EC", "kid": "e", "use": "sig", "crv": "P-256", "x": number(e.x, 32), "y": number(e.y, 32)},
]
rs256, es256 = {"alg": "RS256", "typ": "JWT", "kid": "r"}, {"alg": "ES256", "typ": "at+jwt", "kid": "e"}
good = {
    "RS256": token(rs256, rsas[0], pkcs1),
    "RS256 without kid": token({"alg": "RS256"}, rsas[0], pkcs1),
    "ES256": token(es256, curves[0], pair),
    "ES256 without kid": token({"alg": "ES256"}, curves[0], pair),
}
bad = {
    "RS256 of another key": token(rs256, rsas[1], pkcs1),
    "ES256 of another key": token(es256, curves[1], pair),
    "RS256 with the other's kid": token({**rs256, "kid": "e"}, rsas[0], pkcs1),
    "PS256 under the name RS256": token(rs256, rsas[0], pss),
    "PS256": token({**rs256, "alg": "PS256"}, rsas[0], pss),
    "ES256 in DER": token(es256, curves[0], der),
    "ES256 under the name RS256": token({**rs256, "kid": "e"}, curves[0], pair),
}
def padded(n): return token({**rs256, "pad": "x" * n}, rsas[0], pkcs1)
longest = (int(sys.argv[2]) - len(padded(0))) * 3 // 4 - 3
while len(padded(longest + 1)) <= int(sys.argv[2]): longest += 1
good["RS256 as long as may be"] = padded(longest)
bad["RS256 that is longer"] = padded(longest + 1)
print(json.dumps({"jwks": {"keys": keys}, "good": good, "bad": bad}))
"#;

fn issued() -> Json {
    let claims = json!({
        "iss": "https://issuer.example", "aud": ["sworn"], "sub": "anna", "groups": ["audit"],
        "exp": NOW_S + 60, "nbf": NOW_S + JWT_SKEW_S_MAX,
    });
    let python = std::env::var("SWORN_PYTHON").expect("./check sets SWORN_PYTHON");
    let arguments = ["-c", ISSUER, &claims.to_string(), &JWT_BYTES_MAX.to_string()];
    let output = Command::new(python).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn oidc(algorithms: &[Algorithm]) -> Oidc {
    Oidc {
        issuer: "https://issuer.example".to_owned(),
        audience: "sworn".to_owned(),
        keys: PathBuf::new(),
        algorithms: algorithms.to_vec(),
        claim: "groups".to_owned(),
        roles: vec![(Role::Auditor, vec!["audit".to_owned()])],
        tenant: None,
    }
}

#[test]
fn rsa_and_ecdsa_tokens_are_taken_and_others_of_their_kind_are_not() {
    let issued = issued();
    let jwks = issued["jwks"].to_string();
    let tenant = Tenant::parse("acme").unwrap();
    let identify = |token: &str, algorithms: &[Algorithm], now_s: u64| {
        let keys = read(jwks.as_bytes(), algorithms).unwrap();
        let now = Micros(now_s * 1_000_000);
        oidc(algorithms).identify(token, &keys, &tenant, now, &CancellationToken::new())
    };
    let all = ALGORITHMS.map(|(_, algorithm)| algorithm);
    for (name, token) in issued["good"].as_object().unwrap() {
        let token = token.as_str().unwrap();
        let known = identify(token, &all, NOW_S).unwrap_or_else(|| panic!("{name} is refused"));
        assert_eq!((&*known.name, known.roles), ("oidc:anna", vec![Role::Auditor]), "{name}");
        assert_eq!(known.expires, Micros((NOW_S + 60) * 1_000_000), "{name}");
        assert!(identify(token, &all, NOW_S + 60).is_none(), "{name}: it has ended");
        assert!(identify(token, &all, NOW_S - 1).is_none(), "{name}: it has not begun");
        let (said, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = said.split_once('.').unwrap();
        let edited = format!("{header}.{}.{signature}", claims.replacen('a', "b", 1));
        assert!(identify(&edited, &all, NOW_S).is_none(), "{name}: edited");
        let other = if name.starts_with("RS") { Algorithm::ES256 } else { Algorithm::RS256 };
        assert!(identify(token, &[other], NOW_S).is_none(), "{name}: it is not configured");
    }
    for (name, token) in issued["bad"].as_object().unwrap() {
        assert!(identify(token.as_str().unwrap(), &all, NOW_S).is_none(), "{name} is taken");
    }
}
