//! Keys of every kind, made by `openssl`, and tokens signed with them by hand: whatever stands in them.
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::Value;
use sha2::Sha256;

/// The bytes of the secret `shop`.
pub const SECRET: [u8; 32] = [0x5a; 32];

/// A key with which tokens are signed.
pub enum Signer {
    Hs256(Vec<u8>),
    EdDsa(Box<ed25519_dalek::SigningKey>),
    Es256(Vec<u8>),
    Rs256(Vec<u8>),
}

/// A key of each kind: `shop` for HS256, `ed`, `ec` and `rsa`, each in a file of its own.
pub struct Keys {
    pub directory: PathBuf,
    pub all: Vec<(&'static str, &'static str, Signer)>,
}

impl Keys {
    /// Makes the keys in `directory`: `NAME` or `NAME.pem` for the daemon, `NAME.private.pem` for signers.
    pub fn make(directory: &Path) -> Self {
        fs::write(directory.join("shop"), URL_SAFE_NO_PAD.encode(SECRET)).unwrap();
        fs::set_permissions(directory.join("shop"), fs::Permissions::from_mode(0o600)).unwrap();
        let ed = private(directory, "ed", &["-algorithm", "ed25519"]);
        let ec = private(directory, "ec", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        let rsa = private(directory, "rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
        // The last 32 bytes of a private Ed25519 key are its seed.
        let seed = ed[ed.len() - 32..].try_into().unwrap();
        let all = vec![
            ("shop", "HS256", Signer::Hs256(SECRET.to_vec())),
            ("ed", "EdDSA", Signer::EdDsa(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))),
            ("ec", "ES256", Signer::Es256(ec)),
            ("rsa", "RS256", Signer::Rs256(rsa)),
        ];
        Self { directory: directory.to_owned(), all }
    }

    /// The `[[key]]` sections for all of them.
    pub fn configuration(&self) -> String {
        let file = |id: &str| self.directory.join(if id == "shop" { id.to_owned() } else { format!("{id}.pem") });
        let entry = |id: &str| format!("[[key]]\nid = \"{id}\"\nfile = \"{}\"\nuse = \"accept\"\n", file(id).display());
        self.all.iter().map(|(id, _, _)| entry(id)).collect()
    }

    /// The signer `id`.
    pub fn signer(&self, id: &str) -> &Signer {
        self.all.iter().find(|(known, _, _)| *known == id).map(|(_, _, signer)| signer).unwrap()
    }

    /// The text of a public key, byte for byte.
    pub fn public_pem(&self, id: &str) -> Vec<u8> {
        fs::read(self.directory.join(format!("{id}.pem"))).unwrap()
    }

    /// A token as `alg` and `kid` of this key ask for.
    pub fn token(&self, id: &str, claims: &Value) -> String {
        let (_, algorithm, signer) = self.all.iter().find(|(known, _, _)| *known == id).unwrap();
        signer.token(&serde_json::json!({ "alg": algorithm, "typ": "JWT", "kid": id }).to_string(), &claims.to_string())
    }
}

impl Signer {
    /// A token with this header and these claims, letter by letter.
    pub fn token(&self, header: &str, claims: &str) -> String {
        self.close(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
    }

    /// `signed` and its signature.
    pub fn close(&self, signed: &str) -> String {
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())))
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Hs256(secret) => Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(text).finalize().into_bytes().to_vec(),
            Self::EdDsa(key) => key.sign(text).to_bytes().to_vec(),
            Self::Es256(der) => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random).unwrap();
                key.sign(&random, text).unwrap().as_ref().to_vec()
            }
            Self::Rs256(der) => {
                let key = RsaKeyPair::from_pkcs8(der).unwrap();
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// Makes a private key, writes it and its public half as PEM, and gives the private one as PKCS #8.
fn private(directory: &Path, name: &str, kind: &[&str]) -> Vec<u8> {
    let path = |suffix: &str| directory.join(format!("{name}{suffix}")).to_str().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
        assert!(output.status.success(), "openssl {arguments:?}: {output:?}");
    };
    run(&[&["genpkey", "-out", &path(".private.pem")], kind].concat());
    run(&["pkey", "-in", &path(".private.pem"), "-pubout", "-out", &path(".pem")]);
    run(&["pkcs8", "-topk8", "-nocrypt", "-in", &path(".private.pem"), "-outform", "DER", "-out", &path(".der")]);
    fs::read(path(".der")).unwrap()
}
