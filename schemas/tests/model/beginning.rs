//! What sequences begin with.

use super::generate::{ROLES, addresses};
use super::random::Random;
use super::step::{AGENTS, OWNERS, Step, What, seeds};

/// What most sequences begin with: somebody of each sort, with keys.
pub(crate) fn beginning(random: &mut Random) -> Vec<Step> {
    let people = [
        ("operator-1", ROLES[0]),
        ("operator-2", ROLES[0]),
        ("owner-0", ROLES[2]),
        ("owner-1", ROLES[2]),
        ("human-0", ROLES[3]),
        ("auditor", ROLES[4]),
        ("witness", ROLES[5]),
        ("authority", ROLES[6]),
    ];
    let mut steps = Vec::new();
    let mut say = |what| {
        let id = steps.len() as u64;
        steps.push(Step { after: 1000, signer: "operator".to_owned(), key: 2, id, what });
    };
    let enrol = |name: &str| What::Enrol {
        signer: name.to_owned(),
        key: seeds(name)[0],
        from: None,
        until: None,
    };
    for (id, roles) in people.into_iter().filter(|_| random.chance(75)) {
        say(What::Person { id: id.to_owned(), roles: roles.to_vec() });
        say(enrol(id));
    }
    for agent in random.some(&AGENTS, 75) {
        let owner = (*random.pick(&OWNERS)).to_owned();
        let (addresses, external) = (addresses(random), Vec::new());
        say(What::Register { agent: agent.to_owned(), owner, addresses, external });
        say(enrol(agent));
    }
    steps
}
