// A JWT, with jsonwebtoken 9 (npm install jsonwebtoken), which has no EdDSA:
//   node jwt-jsonwebtoken.js KEY_FILE KID SITE PATH SECONDS [HS256|ES256|RS256]
//   node jwt-jsonwebtoken.js private.pem shop shop.example '/members/a b.zip' 3600 ES256
const { readFileSync } = require("node:fs"), jwt = require("jsonwebtoken");
const [file, keyid, audience, path, seconds, algorithm = "HS256"] = process.argv.slice(2);

// HS256 takes the bytes that the one line of the key file stands for, the others a private key in PEM.
const text = readFileSync(file, "utf8");
const key = algorithm === "HS256" ? Buffer.from(text.trim(), "base64url") : text;
console.log(jwt.sign({ path }, key, { algorithm, keyid, audience, expiresIn: Number(seconds) }));
