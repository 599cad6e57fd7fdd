#!/usr/bin/env python3
"""Checks a COSE Receipt (RFC 9942) with cbor2 and cryptography alone.

    check_receipt.py inclusion   --key HEX --receipt FILE --leaf FILE
    check_receipt.py consistency --key HEX --receipt FILE --from-root HEX

Written from RFC 9942 (receipts), RFC 9162 section 2.1 (the tree) and RFC 9052 section 4.4 (what is signed).
Prints what the receipt proves, or says why it proves nothing and exits with 1.
"""

import argparse
import hashlib
import sys

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ALG, KID, CWT_CLAIMS, VDS, VDP = 1, 4, 15, 395, 396
INCLUSION, CONSISTENCY = -1, -2


class Invalid(Exception):
    pass


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def inclusion_root(leaf, index, size, path):
    """RFC 9162, section 2.1.3.2."""
    if index >= size:
        raise Invalid("the index is not below the size")
    fn, sn, root = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    for sibling in path:
        if sn == 0:
            raise Invalid("the path is too long")
        if fn & 1 or fn == sn:
            root = node(sibling, root)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node(root, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Invalid("the path is too short")
    return root


def consistency_roots(old_size, new_size, old_root, path):
    """RFC 9162, section 2.1.4.2: the roots that the path gives for both trees."""
    if not 0 < old_size < new_size or not path:
        raise Invalid("no consistency proof is between these sizes")
    if old_size & (old_size - 1) == 0:
        path = [old_root] + path
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise Invalid("the path is too long")
        if fn & 1 or fn == sn:
            old, new = node(sibling, old), node(sibling, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Invalid("the path is too short")
    return old, new


def opened(receipt, kind):
    """Protected header, the one proof of this kind, and the signature."""
    tagged = cbor2.loads(receipt)
    if not isinstance(tagged, cbor2.CBORTag) or tagged.tag != 18 or len(tagged.value) != 4:
        raise Invalid("not a tagged COSE_Sign1")
    protected, unprotected, payload, signature = tagged.value
    if payload is not None:
        raise Invalid("the payload is not detached")
    header = cbor2.loads(protected)
    if header.get(ALG) not in (-19, -8) or header.get(VDS) != 1:
        raise Invalid("not Ed25519 over an RFC 9162 tree")
    proofs = unprotected.get(VDP, {}).get(kind, [])
    if len(proofs) != 1:
        raise Invalid("not exactly one proof of this kind")
    return protected, header, cbor2.loads(proofs[0]), signature


def check_signature(key, protected, root, signature):
    signed = cbor2.dumps(["Signature1", protected, b"", root])
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except InvalidSignature:
        raise Invalid("bad signature") from None


def check_kid(header, key):
    """RFC 9679: the thumbprint of the key as a COSE_Key of kty, crv and x."""
    thumbprint = hashlib.sha256(cbor2.dumps({1: 1, -1: 6, -2: key}, canonical=True)).digest()
    if header.get(KID) != thumbprint:
        raise Invalid("the receipt names another key")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["inclusion", "consistency"])
    parser.add_argument("--key", required=True, type=bytes.fromhex)
    parser.add_argument("--receipt", required=True, type=argparse.FileType("rb"))
    parser.add_argument("--leaf", type=argparse.FileType("rb"))
    parser.add_argument("--from-root", type=bytes.fromhex)
    args = parser.parse_args()
    kind = INCLUSION if args.kind == "inclusion" else CONSISTENCY
    try:
        protected, header, proof, signature = opened(args.receipt.read(), kind)
        first, second, path = proof
        if kind == INCLUSION:
            leaf = args.leaf.read()
            root = inclusion_root(leaf, second, first, path)
            # Nothing signed binds the receipt's index; the leaf's own bytes do.
            if cbor2.loads(leaf)[1] != second:
                raise Invalid("the receipt is for another place than the leaf's")
            told = f"entry {second} of {first}"
        else:
            old, root = consistency_roots(first, second, args.from_root, path)
            if old != args.from_root:
                raise Invalid("the path starts from another root")
            told = f"{second} entries extend {first}"
        check_kid(header, args.key)
        check_signature(args.key, protected, root, signature)
    except Invalid as why:
        print(f"invalid: {why}")
        sys.exit(1)
    print(f"valid: {told} of {header[CWT_CLAIMS][1]}, root {root.hex()}")


if __name__ == "__main__":
    main()
