//! What was erased is served from nowhere, from the moment at which its redaction is committed.

use super::*;

// On one thread: nobody can take notice of the redaction between its commit and what a reader is served first.
#[tokio::test]
async fn what_was_erased_is_not_in_memory_for_those_who_come_back() {
    let mut world = World::new(1);
    let router = routes(world.ledger(), CancellationToken::new());
    let index = world.act();
    let ledger = world.ledger();
    let before = Index(index - 1);
    let (genesis, chain) = (ledger.chain(Index(0)).unwrap(), ledger.chain(before).unwrap());
    let token = Token::new(&genesis, before, &chain).to_string();
    let mut early = Reader::connect(&router, "since=0", None).await;
    early.entries(0, index + 1).await;
    let mut early = Reader::connect(&router, "", Some(&token)).await;
    assert_eq!(early.expect("entry").await["body"]["action"]["target"], "finance@example.com");
    world.redact(index);
    let mut late = Reader::connect(&router, "", Some(&token)).await;
    let entry = late.expect("entry").await;
    assert_eq!((&entry["index"], &entry["redacted"]), (&json!(index), &json!(true)));
    late.entries(index + 1, index + 2).await;
}
