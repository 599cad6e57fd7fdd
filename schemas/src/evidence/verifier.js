"use strict";
// Checks an evidence bundle as far as a browser can, from its bytes alone. Nothing that a bundle holds is ever
// written into the page as markup.

const BYTES_MAX = 256 * 1024 * 1024;
const DEPTH_MAX = 16;

const concat = (parts) => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};
const text = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
const utf8 = (string) => new TextEncoder().encode(string);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (string) => Uint8Array.from(string.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const unbase64 = (string) => Uint8Array.from(atob(string), (c) => c.charCodeAt(0));
const equal = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);
const sha256 = async (...parts) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", concat(parts)));
const need = (holds, otherwise) => {
  if (!holds) throw new Error(otherwise);
};

// The members of a ZIP archive whose members are stored, by its local headers.
function unzip(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const members = new Map();
  let at = 0;
  while (at + 30 <= file.length && view.getUint32(at, true) === 0x04034b50) {
    const [method, size] = [view.getUint16(at + 8, true), view.getUint32(at + 18, true)];
    const begins = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
    const name = text(file.subarray(at + 30, at + 30 + view.getUint16(at + 26, true)));
    need(method === 0 && begins + size <= file.length && !members.has(name), "no bundle's archive");
    members.set(name, file.subarray(begins, begins + size));
    at = begins + size;
  }
  need(members.size > 0 && at + 4 <= file.length, "not a bundle, or cut short");
  need(view.getUint32(at, true) === 0x02014b50, "no bundle's archive");
  return members;
}

// CBOR as bundles have it: definite lengths, no tags, no floats (RFC 8949, section 4.2.1).
function cbor(bytes) {
  let at = 0;
  const take = (count) => {
    need(at + count <= bytes.length, "CBOR that is cut short");
    at += count;
    return bytes.subarray(at - count, at);
  };
  const item = (depth) => {
    need(depth < DEPTH_MAX, "CBOR that is too deep");
    const head = take(1)[0];
    const [major, info] = [head >> 5, head & 31];
    need(info < 28, "CBOR that is not deterministic");
    if (major === 7) {
      need(info >= 20 && info <= 22, "CBOR that no bundle has");
      return [false, true, null][info - 20];
    }
    const count = info < 24 ? info : take(1 << (info - 24)).reduce((n, byte) => n * 256 + byte, 0);
    need(Number.isSafeInteger(count), "a number that is too large");
    if (major === 0) return count;
    if (major === 1) return -1 - count;
    if (major === 2) return take(count);
    if (major === 3) return text(take(count));
    if (major === 4) return Array.from(until(count), () => item(depth + 1));
    need(major === 5, "CBOR that no bundle has");
    return new Map(Array.from(until(count), () => [item(depth + 1), item(depth + 1)]));
  };
  function* until(count) {
    for (let n = 0; n < count; n += 1) yield n;
  }
  const whole = item(0);
  need(at === bytes.length, "bytes behind CBOR");
  return whole;
}

// The root that a leaf and its inclusion path lead to (RFC 9162, section 2.1.3.2).
async function rootFromPath(leafHash, index, size, path) {
  need(index < size, "an index beyond the tree");
  let [at, last, root] = [index, size - 1, leafHash];
  for (const sibling of path) {
    need(last > 0, "a path that is too long");
    if (at % 2 === 1 || at === last) {
      root = await sha256([1], sibling, root);
      while (at % 2 === 0 && at > 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      root = await sha256([1], root, sibling);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  need(last === 0, "a path that is too short");
  return root;
}

// A leaf's fields that are checked here.
function leaf(bytes) {
  const fields = cbor(bytes);
  need(Array.isArray(fields) && fields.length === 11 && fields[0] === 1, "bytes that are no leaf");
  return { index: fields[1], status: fields[4], statement: fields[5], body: fields[6], bytes };
}

// A checkpoint's note (C2SP signed-note, tlog-checkpoint).
function note(member) {
  const [, signed, lines] = /^([^]*\n)\n((?:\u2014 [^\n]+\n)+)$/u.exec(text(member)) ?? [];
  need(signed !== undefined, "the checkpoint is no signed note");
  const [origin, size, root] = signed.split("\n");
  need(/^[1-9][0-9]*$/.test(size) && Number.isSafeInteger(Number(size)), "a checkpoint without a size");
  const signatures = lines.trimEnd().split("\n").map((line) => {
    const [, name, signature] = line.split(" ");
    return { name, signature: unbase64(signature) };
  });
  return { signed: utf8(signed), origin, size: Number(size), root: unbase64(root), signatures };
}

// The public key that TRUST names: in itself, or as the thumbprint (RFC 9679) of the genesis entry's.
async function trusted(trust, genesis) {
  const [, name, id, key] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(trust) ?? [];
  if (name !== undefined) {
    const bytes = unbase64(key);
    need(bytes.length === 33 && bytes[0] === 1, "TRUST is no Ed25519 key");
    need(hex(await sha256(utf8(name), [10], bytes)).startsWith(id), "TRUST is not a key of its name");
    return bytes.subarray(1);
  }
  need(/^SHA256:[0-9a-f]{64}$/.test(trust), "TRUST is no verifier key and no fingerprint");
  const found = genesis?.get("registry")?.get("ledger_key");
  need(found?.length === 32, "the genesis entry with the ledger's key is not in the bundle");
  const thumbprint = await sha256(unhex("a301012006215820"), found);
  need(`SHA256:${hex(thumbprint)}` === trust, "the bundle is of a ledger with another key than TRUST");
  return found;
}

async function signedBy(key, head) {
  const id = (await sha256(utf8(head.origin), [10, 1], key)).subarray(0, 4);
  const own = head.signatures.filter(
    (line) => line.name === head.origin && equal(line.signature.subarray(0, 4), id),
  );
  need(own.length > 0, "the checkpoint is not signed by the trusted key itself: sworn verify follows rotations");
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  for (const { signature } of own) {
    const holds = await crypto.subtle.verify("Ed25519", imported, signature.subarray(4), head.signed);
    need(holds, "the checkpoint's signature does not verify");
  }
}

async function hasEd25519() {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32), { name: "Ed25519" }, false, ["verify"]);
    return true;
  } catch (refused) {
    return refused.name !== "NotSupportedError";
  }
}

async function files(members, custody) {
  const listed = JSON.parse(text(custody)).files;
  const names = [...members.keys()].filter((name) => name !== "custody.json");
  need(listed.length === names.length, "custody.json lists other files than there are");
  for (const { name, sha256: digest } of listed) {
    need(members.has(name) && name !== "custody.json", `${name} is listed and not there`);
    need(hex(await sha256(members.get(name))) === digest, `${name} does not have its digest`);
  }
  return `${names.length} files have the digests that custody.json names`;
}

async function inclusion(leaves, paths, head) {
  need(leaves.length === paths.length && leaves.length > 0, "leaves without proofs");
  let before = -1;
  for (const [place, { index, bytes }] of leaves.entries()) {
    need(index > before, `entry #${index} is there twice or out of order`);
    before = index;
    const root = await rootFromPath(await sha256([0], bytes), index, head.size, paths[place]);
    need(equal(root, head.root), `entry #${index} is not in the checkpoint's tree`);
  }
  return `${leaves.length} leaves lead to the root of the checkpoint of ${head.size} entries`;
}

async function statements(leaves, signed) {
  const known = new Set(leaves.map(({ statement }) => hex(statement)));
  for (const [statement] of signed) {
    need(known.has(hex(await sha256(statement))), "a statement that no leaf commits to");
  }
  return `${signed.length} statements have digests that leaves commit to`;
}

// What is kept of a refused entry need not be its body, and a residue (an array) stands for an erased one.
async function bodies(leaves, rows) {
  const of = new Map(leaves.map((each) => [each.index, each]));
  let [same, uncompared] = [0, 0];
  for (const [index, row] of rows) {
    need(of.has(index), `a body for #${index}, which is not here`);
    const { status, body } = of.get(index);
    const holds = equal(await sha256(row), body);
    need(holds || status !== 0 || row[0] >> 5 === 4, `the body of #${index} does not have the digest in its leaf`);
    if (holds) same += 1;
    else uncompared += 1;
  }
  return `${same} bodies have the digests in their leaves; ${uncompared} are erased or refused`;
}

async function details(rows, bodiesByIndex) {
  for (const [index, detail] of rows) {
    const committed = bodiesByIndex.has(index) ? cbor(bodiesByIndex.get(index)).get("detail") : null;
    need(committed && equal(await sha256(detail), committed), `the detail of #${index} is not its body's`);
  }
  return `${rows.length} details have the digests in their bodies`;
}

async function checkpoint(head, trust, genesis) {
  const key = await trusted(trust, genesis);
  await signedBy(key, head);
  return `signed by the trusted key for ${head.origin}`;
}

// Checks a bundle's bytes against TRUST, which may be empty. Each step has a name, a verdict (null where nothing is
// decided) and a sentence. Nothing behind a step that fails is looked at.
async function check(file, trust) {
  const steps = [];
  const step = async (name, run) => {
    try {
      steps.push({ name, holds: true, said: await run() });
    } catch (fault) {
      steps.push({ name, holds: false, said: fault.message });
      throw fault;
    }
  };
  try {
    await everything(file, trust, step, steps);
  } catch (fault) {
    if (steps.at(-1)?.holds !== false) steps.push({ name: "file", holds: false, said: fault.message });
  }
  return steps;
}

async function everything(file, trust, step, steps) {
  need(file.length <= BYTES_MAX, "larger than any bundle");
  const members = unzip(file);
  const member = (name) => {
    need(members.has(name), `${name} is missing`);
    return members.get(name);
  };
  const head = note(member("checkpoints/head.txt"));
  const leaves = cbor(member("leaves.cbor")).map(leaf);
  const rows = cbor(member("bodies.cbor"));
  const genesis = rows.find(([index]) => index === 0)?.[1];
  await step("files", () => files(members, member("custody.json")));
  await step("tree", () => inclusion(leaves, cbor(member("proofs/inclusion.cbor")), head));
  await step("statements", () => statements(leaves, cbor(member("statements.cose"))));
  await step("bodies", () => bodies(leaves, rows));
  await step("details", () => details(cbor(member("details.cbor")), new Map(rows)));
  if (trust === "") {
    const said = "no TRUST was given: anybody could have made this tree";
    steps.push({ name: "checkpoint", holds: null, said });
  } else if (await hasEd25519()) {
    await step("checkpoint", () => checkpoint(head, trust, genesis && cbor(genesis)));
  } else {
    steps.push({ name: "checkpoint", holds: null, said: "this browser has no Ed25519" });
  }
}

function show(steps) {
  const list = document.getElementById("steps");
  const lines = steps.map(({ name, holds, said }) => {
    const line = document.createElement("li");
    line.className = holds === null ? "open" : holds ? "good" : "bad";
    line.textContent = `${holds === null ? "undecided" : holds ? "holds" : "FAILS"}: ${name}: ${said}`;
    return line;
  });
  list.replaceChildren(...lines);
}

async function run() {
  const [file] = document.getElementById("file").files;
  if (file === undefined) return;
  show([{ name: "file", holds: null, said: "reading" }]);
  if (globalThis.crypto?.subtle === undefined) {
    show([{ name: "browser", holds: null, said: "this browser has no WebCrypto for local pages" }]);
  } else if (file.size > BYTES_MAX) {
    show([{ name: "file", holds: false, said: "larger than any bundle" }]);
  } else {
    const bytes = new Uint8Array(await file.arrayBuffer());
    show(await check(bytes, document.getElementById("trust").value.trim()));
  }
}

if (typeof document !== "undefined") {
  document.getElementById("file").addEventListener("change", run);
  document.getElementById("trust").addEventListener("change", run);
}
