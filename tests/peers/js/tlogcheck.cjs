// Check a log with the verifier of @sigstore/verify: the signed checkpoint, and inclusion proofs.
//
// Usage: node tlogcheck.cjs MODULES CASE.json
//
// MODULES is the node_modules folder; its parts are loaded by path, because the package keeps them
// to itself. CASE.json holds {name, keyId, publicKey, note, entries: [{index, body, hashes}]}, bytes
// in base64. Prints how many entries were verified; exits with 3 when one thing is wrong.

const { createPublicKey } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const [modules, file] = process.argv.slice(2);
const load = (part) => require(join(modules, "@sigstore/verify/dist/tlog", part));
const { verifyCheckpoint } = load("checkpoint.js");
const { verifyMerkleInclusion } = load("merkle.js");

const bytes = (text) => Buffer.from(text, "base64");
const given = JSON.parse(readFileSync(file, "utf-8"));
const x = bytes(given.publicKey).toString("base64url");
const log = {
  logID: bytes(given.keyId),
  baseURL: given.name,
  publicKey: createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }),
};

try {
  for (const each of given.entries) {
    const entry = {
      canonicalizedBody: bytes(each.body),
      inclusionProof: {
        logIndex: String(each.index),
        hashes: each.hashes.map(bytes),
        checkpoint: { envelope: given.note },
      },
    };
    verifyMerkleInclusion(entry, verifyCheckpoint(entry, [log]));
  }
} catch (error) {
  if (error.code !== "TLOG_INCLUSION_PROOF_ERROR") throw error;
  console.error(error.message);
  process.exit(3);
}
console.log(`verified ${given.entries.length} entries`);
