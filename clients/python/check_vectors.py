"""Signs the committed vectors again and checks their receipts: the same bytes, the same verdicts."""

import json
import pathlib

from cbor2 import CBORTag, loads
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

import publisher

VECTORS = pathlib.Path(__file__).parents[2] / "schemas" / "vectors"


def same(found, expected, what):
    if found != expected:
        raise SystemExit(f"{what}: {found.hex()} instead of {expected.hex()}")


def check_submission(one, tenant):
    name = one["name"]
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(one["seed"]))
    same(publisher.kid(key.public_key()), bytes.fromhex(one["kid"]), f"{name}: kid")
    items = []
    for item in one["items"]:
        body = publisher.cbor(publisher.typed(item["json"], item["kind"]))
        same(body, bytes.fromhex(item["body"]), f"{name}: {item['kind']}")
        items.append([body])
        if "detail" in item:
            expected = bytes.fromhex(item["detail"])
            content = publisher.typed({"ext": item["content"]})["ext"]
            detail = publisher.cbor([loads(expected)[0], content])
            same(detail, expected, f"{name}: detail")
            items[-1].append(detail)
    signed, message = publisher.submission(key, one["signer"], tenant, items, one["alg"])
    same(signed, bytes.fromhex(one["statement"]), f"{name}: statement")
    same(message, bytes.fromhex(one["submission"]), f"{name}: submission")


def index_of(one):
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(one["public_key"]))
    return publisher.verify_receipt(bytes.fromhex(one["receipt"]), bytes.fromhex(one["leaf"]), key)


def check_refused(one):
    try:
        index_of(one)
    except Exception:
        return
    raise SystemExit(f"the receipt `{one['name']}` was taken")


def check_status(one):
    """A refused item has a leaf, too, with the digests of what was sent: it is in the log, and was not taken."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    kid = publisher.kid(key.public_key())
    for status in (0, 3):
        leaf = loads(bytes.fromhex(one["leaf"]))
        leaf[1], leaf[4] = 0, status
        leaf = publisher.cbor(leaf)
        protected = publisher.cbor({1: -19, 4: kid, 395: 1})
        signature = key.sign(publisher.to_be_signed(protected, publisher.root(leaf, 0, 2, [bytes(32)])))
        proof = {396: {-1: [publisher.cbor([2, 0, [bytes(32)]])]}}
        receipt = publisher.cbor(CBORTag(18, [protected, proof, None, signature]))
        found = {"name": f"of status {status}", "receipt": receipt.hex(), "leaf": leaf.hex()}
        found["public_key"] = key.public_key().public_bytes_raw().hex()
        if status:
            check_refused(found)
        elif index_of(found) != 0:
            raise SystemExit("the receipt of an accepted leaf names another")


def check_log(log):
    leaves = [bytes.fromhex(leaf) for leaf in log["leaves"]]
    roots = {one["size"]: bytes.fromhex(one["root"]) for one in log["roots"]}
    for one in log["inclusion"]:
        path = [bytes.fromhex(step) for step in one["path"]]
        root = publisher.root(leaves[one["index"]], one["index"], one["size"], path)
        same(root, roots[one["size"]], f"leaf {one['index']} of {one['size']}")


def main():
    good, bad = (json.loads((VECTORS / f"{name}.json").read_text()) for name in ("good", "bad"))
    for one in good["submissions"]:
        check_submission(one, good["tenant"])
    for one in good["receipts"]:
        if index_of(one) != one["index"]:
            raise SystemExit(f"the receipt for leaf {one['index']} names another")
    for one in bad["receipts"]:
        check_refused(one)
    check_status(good["receipts"][0])
    check_log(good["log"])
    print(f"{len(good['submissions'])} submissions, {len(good['receipts'])} receipts")


if __name__ == "__main__":
    main()
