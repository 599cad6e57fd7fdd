//! The judgement over a bundle: everything in it computed again, offline, from the trusted key alone.

use super::Opened;
use super::completeness::{self, Claims};
use super::custody;
use super::fault::{Aspect, Fault, Weight};
use super::render::{self, RENDERER};
use super::view::{Shown, Standing, View};
use crate::body::Body;
use crate::checkpoint::{Checkpoint, Note};
use crate::era::{Era, Eras};
use crate::id::{Digest, sha256};
use crate::policy::{Policy, Witnessed};
use crate::refused;
use crate::residue::Residue;
use crate::tree;

/// What whoever verifies brings along: nothing of it comes from the bundle.
#[derive(Clone, Copy)]
pub struct Trust<'t> {
    /// Whether an era's key is the trusted one; the ledger's keys are linked, so one is enough. `None` where
    /// nobody is trusted, so that nothing can be decided.
    pub accepts: Option<&'t dyn Fn(&Era) -> bool>,
    /// Which witnesses must have cosigned.
    pub policy: Option<&'t Policy>,
    /// Checkpoints of the ledger that were seen before, verified.
    pub known: &'t [Checkpoint],
}

/// One comparison, as `--explain` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// What is compared.
    pub subject: String,
    /// What came out.
    pub computed: String,
    /// What had to.
    pub expected: String,
}

impl Step {
    /// Whether they are equal.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.computed == self.expected
    }
}

/// Whether all that was asked for is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completeness {
    /// It is, up to the checkpoint.
    Complete,
    /// Something is missing.
    Gap,
    /// No gap inside; nothing vouches for the end.
    Open,
}

/// The four verdicts, and whether there is one on what people read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdicts {
    /// `Some(true)`: intact; `None`: undecided.
    pub integrity: Option<bool>,
    /// Whether everything is there.
    pub completeness: Completeness,
    /// `Some(true)`: proven; `None`: undecided.
    pub attribution: Option<bool>,
    /// `Some(true)`: everything erased was erased as the log says.
    pub redaction: Option<bool>,
    /// `Some(true)`: what people read was compared, and integrity speaks for it, too; `None`: it was not.
    pub report: Option<bool>,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Everything that is wrong, none if all is well.
    pub faults: Vec<Fault>,
    /// The checkpoint, if the ledger signed it.
    pub checkpoint: Option<Checkpoint>,
    /// The ledger's names and keys.
    pub eras: Option<Eras>,
    /// Who cosigned, where a policy was given.
    pub witnessed: Option<Witnessed>,
    /// Entries that were asked for.
    pub asked: usize,
    /// Of them refused.
    pub rejected: usize,
    /// Of them erased.
    pub redacted: usize,
    /// Entries that support them.
    pub supporting: usize,
    /// Signatures over entries that verified.
    pub signatures: usize,
    /// Claims that verified.
    pub claims: usize,
}

impl Judgement {
    /// The verdicts.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        let of = |aspect| {
            let mut weights = self.faults.iter().map(Fault::judged).filter(|(of, _)| *of == aspect);
            let undecidable = weights.clone().all(|(_, weight)| weight == Weight::Undecidable);
            match weights.next() {
                None => Some(true),
                Some(_) if undecidable => None,
                Some(_) => Some(false),
            }
        };
        Verdicts {
            integrity: of(Aspect::Integrity),
            completeness: match of(Aspect::Completeness) {
                Some(true) => Completeness::Complete,
                Some(false) => Completeness::Gap,
                None => Completeness::Open,
            },
            attribution: of(Aspect::Attribution),
            redaction: of(Aspect::Redaction),
            report: of(Aspect::Report),
        }
    }
}

/// Verifies a bundle. `explain` is shown every comparison.
#[must_use]
pub fn verify(opened: &Opened, trust: &Trust<'_>, explain: &mut dyn FnMut(Step)) -> Judgement {
    let view = View::of(&opened.bundle);
    let mut verifier = Verifier { view: &view, explain, found: Judgement::default() };
    verifier.found.faults.extend(view.faults.iter().cloned());
    verifier.count();
    if let Some(head) = verifier.checkpoint(trust) {
        for shown in &view.entries {
            verifier.inclusion(shown, &head);
        }
        verifier.claims(&head);
    }
    for shown in &view.entries {
        verifier.entry(shown);
    }
    verifier.rendered(opened);
    verifier.custody(opened);
    verifier.found
}

struct Verifier<'v> {
    view: &'v View<'v>,
    explain: &'v mut dyn FnMut(Step),
    found: Judgement,
}

impl Verifier<'_> {
    fn fault(&mut self, fault: Fault) {
        self.found.faults.push(fault);
    }

    /// Shows a comparison; returns whether it holds.
    fn compare(&mut self, subject: String, computed: String, expected: String) -> bool {
        let step = Step { subject, computed, expected };
        let holds = step.holds();
        (self.explain)(step);
        holds
    }

    fn count(&mut self) {
        let view = self.view;
        self.found.asked = view.asked().count();
        self.found.rejected = view.asked().filter(|shown| !shown.accepted()).count();
        let redacted = |shown: &&Shown<'_>| shown.is_redacted();
        self.found.redacted = view.asked().filter(redacted).count();
        self.found.supporting = view.entries.len() - self.found.asked;
        self.found.eras.clone_from(&view.eras);
    }

    /// The checkpoint, if it is signed by the trusted ledger.
    fn checkpoint(&mut self, trust: &Trust<'_>) -> Option<Checkpoint> {
        let eras = self.view.eras.as_ref()?;
        let found = eras.current().key.kid();
        match trust.accepts {
            None => self.fault(Fault::NoTrust { found }),
            Some(accepts) if eras.iter().any(accepts) => {}
            Some(_) => self.fault(Fault::Untrusted { found }),
        }
        let parsed = Note::parse(&self.view.bundle.head);
        let signed = parsed.and_then(|note| {
            let key = eras.at(note.checkpoint()?.size).note_key();
            note.verify_checkpoint(&key).map(|head| (note, head))
        });
        let (note, head) = match signed {
            Ok(signed) => signed,
            Err(fault) => {
                self.fault(Fault::Note(fault));
                return None;
            }
        };
        let signer = eras.at(head.size);
        let subject = format!("checkpoint of {} entries, signed by", head.size);
        let key = signer.key.kid().to_string();
        self.compare(subject, key.clone(), key);
        for known in trust.known.iter().filter(|known| known.size == head.size) {
            let subject = format!("root that was seen before at {} entries", head.size);
            if !self.compare(subject, head.root.to_string(), known.root.to_string()) {
                self.fault(Fault::Fork { size: head.size });
            }
        }
        if let Some(policy) = trust.policy {
            let witnessed = policy.witnessed(&note);
            if !witnessed.quorum {
                self.fault(Fault::Quorum);
            }
            self.found.witnessed = Some(witnessed);
        }
        self.found.checkpoint = Some(head.clone());
        Some(head)
    }

    /// That a leaf is in the checkpoint's tree, at its own place.
    fn inclusion(&mut self, shown: &Shown<'_>, head: &Checkpoint) {
        let index = shown.leaf.index;
        let path = shown.path;
        let root = tree::root_from_path(&tree::leaf_hash(shown.bytes), index, head.size, path);
        let computed = root.map_or_else(|fault| fault.to_string(), |root| root.to_string());
        let subject = format!("entry {index}: root from its leaf and proof");
        if !self.compare(subject, computed, head.root.to_string()) {
            self.fault(Fault::Inclusion { index });
        }
    }

    fn entry(&mut self, shown: &Shown<'_>) {
        let index = shown.leaf.index;
        let kept = self.view.bundle.bodies.get(&index.0);
        self.redaction(shown);
        if let Some(kept) = kept.filter(|kept| {
            let erased = shown.is_redacted() || refused::is_erased(&shown.leaf, kept);
            !shown.leaf.refused_whole() && !erased
        }) {
            let computed = Body::digest(kept).to_string();
            let subject = format!("entry {index}: digest of its body");
            self.compare(subject, computed, shown.leaf.body.to_string());
        }
        if let Some(detail) = self.view.bundle.details.get(&index.0)
            && let Some(digest) = shown.body().and_then(Body::detail)
        {
            let subject = format!("entry {index}: digest of its detail");
            let computed = Digest(sha256(detail)).to_string();
            self.compare(subject, computed, digest.to_string());
        }
        match &shown.standing {
            Standing::Signed => self.found.signatures += 1,
            Standing::Unattributed => {}
            Standing::Faulty(fault) => self.fault(fault.clone()),
        }
        if shown.standing == Standing::Signed
            && let Some(body) = shown.body()
        {
            let signer = body.signer().to_owned();
            let subject = format!("entry {index}: signed by a key of");
            self.compare(subject, signer.clone(), signer);
        }
    }

    /// What is erased was erased by a redaction, and what a redaction says is erased is.
    fn redaction(&mut self, shown: &Shown<'_>) {
        let index = shown.leaf.index;
        let view = self.view;
        let erased = view.redaction_of(index, true);
        let kept = view.bundle.bodies.get(&index.0);
        let residue = kept.and_then(|kept| Residue::parse(kept));
        let came = kept.is_some_and(|kept| !refused::is_erased(&shown.leaf, kept));
        match residue {
            Some(residue) if shown.is_redacted() || (!shown.accepted() && !came) => {
                let mut keys = view.eras.iter().flat_map(Eras::iter).map(|era| era.key);
                if !keys.any(|key| residue.is_left_by(&key, shown.bytes)) {
                    self.fault(Fault::Residue { index });
                }
                if erased.is_none() {
                    self.fault(Fault::NotRedacted { index });
                }
            }
            _ => {
                let whole = shown.body().filter(|_| shown.accepted() && !shown.is_redacted());
                let refused = !shown.accepted() && kept.is_some();
                if erased.is_some() && (refused || whole.is_some_and(|b| b.kind().is_erasable())) {
                    self.fault(Fault::Leftover { index });
                }
            }
        }
        if view.redaction_of(index, false).is_some() && view.bundle.details.contains_key(&index.0) {
            self.fault(Fault::Leftover { index });
        }
    }

    fn claims(&mut self, head: &Checkpoint) {
        let Some(eras) = self.view.eras.as_ref() else { return };
        let mut faults = Vec::new();
        let claims = Claims::verify(self.view, eras, head, &mut faults);
        completeness::judge(self.view, &claims, head, &mut faults);
        completeness::histories(self.view, &claims, head, &mut faults);
        self.found.claims = claims.len();
        self.found.faults.append(&mut faults);
    }

    /// What people read must be what the evidence says. The manifest is nobody's proof, so whoever forges a report can
    /// name another renderer: that makes it undecided, never sound.
    fn rendered(&mut self, opened: &Opened) {
        let made = opened.bundle.manifest.renderer;
        let (mut differs, is_own) = (false, made == RENDERER);
        for (member, expected) in render::members(self.view) {
            let Some(found) = opened.rendered.get(&member) else {
                let known = render::NAMES.iter().find(|name| **name == member);
                known.into_iter().for_each(|member| self.fault(Fault::NotRendered { member }));
                continue;
            };
            if !is_own {
                differs |= *found != expected;
                continue;
            }
            let digest = |bytes: &[u8]| Digest(sha256(bytes)).to_string();
            let subject = format!("{member}: digest, rendered again");
            if !self.compare(subject, digest(found), digest(&expected)) {
                self.fault(Fault::Rendered { member });
            }
        }
        if differs {
            self.fault(Fault::OtherRenderer { made });
        }
    }

    /// Files that are rendered were compared with what they must be; of the others the record must be true, and of all
    /// where another renderer made them.
    fn custody(&mut self, opened: &Opened) {
        let Some(custody) = opened.rendered.get(custody::NAME) else { return };
        let is_own = opened.bundle.manifest.renderer == RENDERER;
        let mut files = opened.bundle.members();
        files.extend(opened.rendered.clone());
        for (member, step) in custody::compare(custody, &files) {
            let compared = is_own && opened.rendered.contains_key(&member);
            if !step.holds() && !compared {
                self.fault(Fault::Custody { member });
            }
            (self.explain)(step);
        }
    }
}
