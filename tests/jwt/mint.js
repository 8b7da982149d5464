// Mints with jsonwebtoken: a JSON list of {key, algorithm, claims, headers} on standard input, a token a line on standard
// output. `key` is a file: base64url of a secret for HS256, a private key in PEM for the others, nothing for `none`.
const { readFileSync } = require("node:fs");
const jwt = require("jsonwebtoken");

for (const { key, algorithm, claims, headers } of JSON.parse(readFileSync(0, "utf8"))) {
    const text = algorithm === "none" ? "" : readFileSync(key, "utf8");
    const secret = algorithm.startsWith("HS") ? Buffer.from(text.trim(), "base64url") : text;
    console.log(jwt.sign(claims, secret, { algorithm, header: { alg: algorithm, typ: "JWT", ...headers }, noTimestamp: true }));
}
