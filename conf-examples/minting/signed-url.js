// A signed URL. Node 16 or newer, nothing else:
//   node signed-url.js KEY_FILE KID SITE PATH SECONDS
//   node signed-url.js /var/lib/cloakroom/keys/main main shop.example '/members/a b.zip' 3600
const { createHmac } = require("node:crypto"), { readFileSync } = require("node:fs");
const [file, kid, site, path, seconds] = process.argv.slice(2);
const encoded = encodeURIComponent(path).replace(/%2F/g, "/").replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());

const key = Buffer.from(readFileSync(file, "utf8").trim(), "base64url");
const url = `${encoded}?kid=${kid}&exp=${Math.floor(Date.now() / 1000) + Number(seconds)}`;
const sig = createHmac("sha256", key).update(`cloakroom-1\n${site}\n${url}`).digest("base64url");

console.log(`${url}&sig=${sig}`);
