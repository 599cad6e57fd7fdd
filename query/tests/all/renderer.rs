//! What people read in a bundle, made by a program with another renderer than the one that checks it.

use schemas::evidence::{self, Fault, Opened, RENDERER};
use schemas::id::{hex, sha256};

use crate::bundle::{CASE, judge, opened, world};

/// What the members of [`CASE`] hash to under [`RENDERER`], all but the custody record, which holds digests of the
/// evidence.
const RENDERED: &str = "4c0effc49f9eba33b596d1d0ef594d4bab14845eed46a83cf468f80b7ba3a8bb";

/// The bundle as another renderer would have made it, its custody record true.
fn of_another(sound: &Opened, alter: impl Fn(&str, &mut Vec<u8>)) -> Opened {
    let mut other = sound.clone();
    other.bundle.manifest.renderer = RENDERER + 1;
    let mut other = evidence::open(&evidence::pack(&other.bundle)).unwrap();
    for name in ["report.html", "summary.json", "entries.jsonl"] {
        let before = other.rendered[name].clone();
        alter(name, other.rendered.get_mut(name).unwrap());
        let [before, after] = [&before, &other.rendered[name]].map(|content| hex(&sha256(content)));
        let custody = other.rendered.get_mut("custody.json").unwrap();
        let text = String::from_utf8(custody.clone()).unwrap();
        *custody = text.replacen(&before, &after, 1).into_bytes();
    }
    evidence::open(&other.pack()).unwrap()
}

fn report_alone(name: &str, content: &mut Vec<u8>) {
    if name == "report.html" {
        content.extend(b"<!-- another style -->");
    }
}

#[test]
fn a_report_of_another_renderer_is_undecided_and_everything_else_is_not() {
    let world = world();
    let sound = opened(&world, CASE);
    let same = of_another(&sound, |_, _| ());
    assert_eq!(
        judge(&world, &same).faults,
        [],
        "what is the same is the same whatever it is called"
    );
    let other = of_another(&sound, report_alone);
    let found = judge(&world, &other);
    assert_eq!(found.faults, [Fault::OtherRenderer { made: RENDERER + 1 }]);
    let verdicts = found.verdicts();
    assert_eq!((verdicts.report, verdicts.integrity), (None, Some(true)));
    assert_eq!((verdicts.attribution, verdicts.redaction), (Some(true), Some(true)));

    // The evidence beside it is checked all the same.
    let mut broken = other.clone();
    let leaf = broken.bundle.leaves.last_mut().unwrap();
    let last = leaf.len() - 1;
    leaf[last] ^= 1;
    let broken = evidence::open(&broken.pack()).map(|broken| judge(&world, &broken).verdicts());
    assert!(broken.is_err() || broken.unwrap().integrity == Some(false));
}

#[test]
fn a_forged_report_is_found_or_undecided_and_never_sound() {
    let world = world();
    let sound = opened(&world, CASE);
    // Under this renderer's own number it is no report of this evidence.
    let mut forged = sound.clone();
    report_alone("report.html", forged.rendered.get_mut("report.html").unwrap());
    let tampered = Fault::Rendered { member: "report.html".to_owned() };
    assert_eq!(judge(&world, &forged).faults, std::slice::from_ref(&tampered));
    // Another number alone contradicts the custody record.
    forged.bundle.manifest.renderer = RENDERER + 1;
    let forged = evidence::open(&forged.pack()).unwrap();
    let faults = judge(&world, &forged).faults;
    for member in ["manifest.cbor", "report.html"] {
        let named = Fault::Custody { member: member.to_owned() };
        assert!(faults.contains(&named), "{member}: {faults:?}");
    }
    assert_eq!(judge(&world, &forged).verdicts().integrity, Some(false));
    // A page beside the report needs its place in the record, and then the record differs.
    let mut more = of_another(&sound, |_, _| ());
    more.rendered.insert("notes.html".to_owned(), b"<p>all is well</p>".to_vec());
    let more = evidence::open(&more.pack()).unwrap();
    let unlisted = [Fault::Custody { member: "notes.html".to_owned() }];
    assert_eq!(judge(&world, &more).faults, unlisted);
}

#[test]
fn what_is_rendered_changes_with_its_number_alone() {
    let mut bundle = opened(&world(), CASE).bundle;
    bundle.manifest.tool = "sworn".to_owned();
    let rendered = evidence::open(&evidence::pack(&bundle)).unwrap().rendered;
    let members = rendered.iter().filter(|(name, _)| *name != "custody.json");
    let all: Vec<u8> =
        members.flat_map(|(name, content)| [name.as_bytes(), content].concat()).collect();
    assert_eq!(
        hex(&sha256(&all)),
        RENDERED,
        "something else is rendered of the same evidence: count schemas::evidence::RENDERER up, and write the new digest \
         here; where the evidence of this test changed, the digest alone"
    );
}
