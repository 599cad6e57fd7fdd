"""Example publisher: JSON events in, one a line; verified receipts out. schemas/ says what the bytes are."""
import argparse, asyncio, hashlib, json, os, re, sys, time, uuid
from datetime import datetime
from cbor2 import CBORTag, dumps, loads
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nats import connect, errors

# Which texts of the JSON form are something else in CBOR: names of fields, for ids their paths.
BYTES = r"salt|(parent_)?session|prev|(policy_)?digest|evidence|build|contract|detail|key|kid|replaces"
TIMES = r"time|at|as_of|expires|issued|authorized_at|not_after|not_before"
IDS = r"id|causes|grant\.(id|parent)|root_grant|parent_grant|principals\.grant_id|approval\.request"
ON_OP = r"(authz|agent|principal|key|credential|contract|policy|proposal|hold|annotation|finding|redaction)\b.*"
REASONS = """accepted malformed unknown_field missing_field invalid_field too_large unsupported_version
digest_mismatch unregistered_key bad_signature wrong_signer expired_key revoked_key disabled_agent wrong_subject
wrong_tenant role_not_allowed secret_in_body id_conflict""".split()

def sha256(data): return hashlib.sha256(data).digest()
def cbor(value): return dumps(value, canonical=True)  # orders text keys as the format does, shorter first
def kid(public): return sha256(cbor({1: 1, -1: 6, -2: public.public_bytes_raw()}))
def to_be_signed(protected, payload): return cbor(["Signature1", protected, b"", payload])
def micros(text): return round(datetime.fromisoformat(text).timestamp() * 1e6)

def need(holds, what):
    if not holds: raise ValueError(what)

def typed(value, kind="", path=()):
    """The JSON form with bytes, ids and times as CBOR has them."""
    need(not isinstance(value, float), f"{'.'.join(path)}: the format has no floats")
    if isinstance(value, list): return [typed(item, kind, path) for item in value]
    if isinstance(value, dict) and set(value) == {"hex"} and len(path) > 1:
        return bytes.fromhex(value["hex"])
    if isinstance(value, dict):
        return {name: typed(inner, kind, (*path, name)) for name, inner in value.items()}
    known = path[0] == "registry" and re.match(r"(agent|principal|key|contract|policy)\.", kind)
    if not isinstance(value, str) or value == "none" or path[0] in ("ext", "assertions", "registry") and not known:
        return value
    if re.fullmatch(IDS, ".".join(path)): return uuid.UUID(value).bytes
    if re.fullmatch(BYTES, path[-1]): return bytes.fromhex(value)
    return micros(value) if re.fullmatch(TIMES, path[-1]) else value

def submission(key, signer, tenant, items, alg=-19):
    """Statement and submission over items, each `[body]` or `[body, detail]`."""
    manifest = [cbor([sha256(item[0]) for item in items])] if len(items) > 1 else []
    preimage, what = (manifest[0], "manifest") if manifest else (items[0][0], "event")
    protected = cbor({1: alg, 4: kid(key.public_key()), 15: {1: signer, 2: tenant}, 258: -16,
                      259: f"application/vnd.sworn.{what}+cbor"})
    payload = sha256(preimage)
    signed = cbor(CBORTag(18, [protected, {}, payload, key.sign(to_be_signed(protected, payload))]))
    return signed, cbor([signed, items, *manifest])

def root(leaf, index, size, path):
    """The root that a path leads to (RFC 9162 section 2.1.3.2)."""
    node, last, found = index, size - 1, sha256(b"\0" + leaf)
    need(0 <= node <= last, "no such leaf")
    for sibling in path:
        if node % 2 or node == last:
            found = sha256(b"\1" + sibling + found)
            while node and node % 2 == 0: node, last = node >> 1, last >> 1
        else:
            found = sha256(b"\1" + found + sibling)
        node, last = node >> 1, last >> 1
    need(last == 0, "the path is too short")  # a longer one leads to a root that nobody signed
    return found

def verify_receipt(receipt, leaf, ledger):
    """Where the ledger vouches that it accepted the leaf (index, status 0); raises if it does not."""
    protected, unprotected, payload, signature = loads(receipt).value
    headers, [proof] = loads(protected), unprotected[396][-1]
    need(receipt == cbor(CBORTag(18, [protected, {396: {-1: [proof]}}, None, signature])), "not a receipt")
    need(headers[1] in (-19, -8) and headers[395] == 1 and 2 not in headers, "a receipt of another type")
    size, index, path = loads(proof)
    need([headers[4], *loads(leaf)[1:5:3]] == [kid(ledger), index, 0], "by another key, for another or a refused leaf")
    ledger.verify(signature, to_be_signed(protected, root(leaf, index, size, path)))
    return index

async def receipted(client, subject, message, replies):
    """Sends until the reply is there: the broker's word counts for nothing, and sending again is safe."""
    for _ in range(30):
        try:
            await client.jetstream().publish(subject, message, timeout=2)
            while (reply := loads((await replies.next_msg(timeout=2)).data))[:2] != [1, sha256(message)]:
                pass
            return reply[2][0]
        except errors.Error:
            await asyncio.sleep(0.2)
    raise TimeoutError("no reply in time; whether the event was recorded is not known")

async def main(tenant, key, ledger_key, kind, nats):
    file = dict(re.findall(r'^(\w+) *= *"(.*)"', open(key).read(), re.M))
    signer, key = file["signer"], Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file["seed"]))
    ledger = Ed25519PublicKey.from_public_bytes(bytes.fromhex(ledger_key))
    token, session, prev, status = sha256(signer.encode()).hex()[:32], os.urandom(16), bytes(32), 0
    client = await connect(nats, inbox_prefix=f"_INBOX_{token}")
    replies = await client.subscribe(f"sworn.v1.{tenant}.receipt.{token}")
    for n, line in enumerate(filter(str.strip, sys.stdin), 1):
        event, now, drawn = {"kind": kind, **json.loads(line)}, time.time_ns(), int.from_bytes(os.urandom(10))
        event_id = now // 10**6 << 80 | 7 << 76 | drawn & ~(15 << 76 | 3 << 62) | 2 << 62  # a UUID of version 7
        common = {"v": 1, "id": event_id.to_bytes(16), "salt": os.urandom(16), "tenant": tenant,
                  "time": now // 1000, "session": session, "seq": {"n": n, "prev": prev}}
        signs = {} if event.get("agent", {}).get("id") == signer else {"signer": signer}
        body = cbor(common | signs | typed(event, event["kind"]))
        prev, (signed, message) = sha256(body), submission(key, signer, tenant, [[body]])
        subject = f"sworn.v1.{tenant}.{'op' if re.fullmatch(ON_OP, event['kind']) else 'in'}.{token}"
        fate, index, leaf, receipt, _, reason, *cause = await receipted(client, subject, message, replies)
        if fate == 2:
            status = 1
            print("rejected: {}, {}: expected {}".format(REASONS[reason], *cause), flush=True)
            continue
        told = [verify_receipt(receipt, leaf, ledger), *loads(leaf)[5:7]]
        need(told == [index, sha256(signed), prev], "a receipt for another event")
        print(f"{('committed', 'duplicate')[fate]} #{index}", flush=True)
    await client.close()
    return status

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("tenant", "key", "ledger-key", "nats"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--kind", default="action.intent", help="of events that name none")
    sys.exit(asyncio.run(main(**vars(parser.parse_args()))))
