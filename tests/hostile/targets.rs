//! Request targets that somebody would try: each names a file that it should not, or names it oddly.
//!
//! `@` stands for the address of the protected files, `/members` or `/dl/f/masters`; both have the same files below.

/// The files below each protected address. The content of each is its own marker.
pub const FILES: [&str; 11] = [
    "secret.txt",
    "other.txt",
    "index.html",
    "pub/page.txt",
    "set/deep/x.txt",
    "a b.txt",
    "ü.txt",
    "100%.txt",
    "..;/x.txt",
    "pub/..%2fsecret.txt",
    "pub/...",
];

/// What stands where `..` could.
const DOTS: &str = r"
. .. %2e %2E %2e%2e %2E%2e .%2e %2e. %252e%252e %25252e ..%00 %00.. .%00. ..; ..;a=b ..%3b ..%20 %20.. ..%09 ..%0d ... ....
%2e%2e%2e ..%c0%ae %c0%ae%c0%ae %e0%80%ae%e0%80%ae %f0%80%80%ae %u002e%u002e %ff%fe.. ．． %ef%bc%8e%ef%bc%8e ..\ ..%5c ..%2f ..%2F
..%252f %%32e ..~ ..: ..| ..? ..# %2e%2e%2f %2e%2e%5c ..//.. .././.
";

/// What stands where `/` could.
const SEPARATORS: &str = r"
/ // //////// %2f %2F /%2f %2f/ %5c %5C \ /\ %252f %c0%af %e0%80%af ∕ %e2%88%95 ／ %u2215 %u002f ;/ /; /;/ %00/ /%00 /%20/ %20/ ?/
#/ %23/ %3f/ %0a/ %0d%0a/ %7f/ +/ :/ @@/ /./ /../ /%2e/ /..;/ /.;/
";

const DOT_PATTERNS: &str = r"
@/pub/~/secret.txt @/~/secret.txt @/~ @/pub/~ @/~/~/vault/v.txt @/~/~/~/~/outside.txt @/pub/~/~/~/~/~/~/outside.txt
@/pub//~//secret.txt @/~/_cloakroom/masters/secret.txt
";

const SEPARATOR_PATTERNS: &str = "@~secret.txt @/pub/..~secret.txt ~@/secret.txt @/set~deep~x.txt @/secret.txt~ @/pub~..~secret.txt";

/// One of a kind.
const SINGLE: &str = r"
@ @/ @// @/. @/./ @/pub @/pub/ @/pub// @/index.html @/set/ @/secret.txt @/secret.txt. @/secret.txt.. @/secret.txt%20 @/secret.txt+
@/secret.txt; @/secret.txt;v=1 @/secret.txt::$DATA @/secret.txt~1 @/secret.txt/x @/secret.txt/. @/secret.txt/.. @/SECRET.TXT @/Secret.txt
@/%73ecret.txt @/%73%65%63%72%65%74%2e%74%78%74 @/%2573ecret.txt @/secret.txt% @/secret.txt%2 @/secret.txt%zz @/secret.txt%u0061
@/secret.txt%00 @/secret.txt%00.txt @/secret.txt%00/pub/page.txt @/secret.txt%0a @/secret.txt%0d%0aX:%20y @/secret.txt%09 @/secret.txt%7f
@/secret.txt%80 @/secret.txt%c3 @/%ed%a0%80/secret.txt @/secret.txt# @/secret.txt#/pub/ @/pub/#/../secret.txt @/secret.txt?
@/secret.txt?? @/secret.txt?x=@/pub/page.txt @/secret.txt?a?b @/secret.txt?a#b @/secret.txt%3f @/secret.txt%3Fx=1 @/secret.txt%23
@/other.txt @//other.txt @/%6fther.txt @/other.txt/../secret.txt @/other.txt?/../secret.txt @/pub/page.txt @/pub/page.txt/../../secret.txt @/pub/page.txt%2f..%2f..%2fsecret.txt @/pub/..%2fsecret.txt @/pub/..%252fsecret.txt
@/pub/... @/..;/x.txt @/..%3b/x.txt @/a%20b.txt @/a+b.txt @/%c3%bc.txt @/ü.txt @/100%25.txt @/100%.txt @/pubx/../secret.txt
@/pub;/../secret.txt @/pub%2f..%2fsecret.txt @;/secret.txt @%00/secret.txt @x/secret.txt @./secret.txt @../secret.txt @.../secret.txt
http://shop.example@/secret.txt HTTP://SHOP.EXAMPLE@/secret.txt http://shop.example@/pub/../secret.txt https://shop.example@/secret.txt
http://evil.example@/secret.txt http://shop.example:1@/secret.txt http://shop.example?@/secret.txt http:@/secret.txt http://@/secret.txt
//shop.example@/secret.txt ///shop.example@/secret.txt //user@@shop.example@/secret.txt shop.example@/secret.txt
/shop.example/..@/secret.txt /./@/secret.txt /x/..@/secret.txt /x/../x/..@/secret.txt /../..@/secret.txt /%2e%2e@/secret.txt
/%2f@/secret.txt /\@/secret.txt /;@/secret.txt /.@/secret.txt /..@/secret.txt /?@/secret.txt /#@/secret.txt
/free.txt /free.txt/..@/secret.txt /free.txt%2f..@/secret.txt /free.txt?@/secret.txt /free.txt#@/secret.txt /free.txt;@/secret.txt
@/secret.txt?sig= @/secret.txt?kid=main&exp=1 @/secret.txt?prefix=@/ @/secret.txt?prefix=/&prefix=/ @/secret.txt?%73ig=x
@/secret.txt?kid=main&exp=99999999999&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA @/secret.txt?sig=x&kid=main
/vault/v.txt /vault/../vault/v.txt /vault//v.txt /VAULT/v.txt @/../vault/v.txt /vault%2fv.txt /vault;/v.txt /vault /vault/
/members/secret.txt /MEMBERS/secret.txt /Members/secret.txt /memberS/secret.txt /%6dembers/secret.txt /%4dEMBERS/secret.txt /ｍembers/secret.txt
/members%2fsecret.txt /members%2f..%2fmembers/secret.txt /members%2f.. /members/..;/members/secret.txt /members..;/secret.txt
/dl/../members/secret.txt /dl/..;/members/secret.txt /dl/f/../../members/secret.txt /dl/f/masters/../../../members/secret.txt
/members/../dl/f/masters/secret.txt /members/pub/../../dl/f/masters/secret.txt /members/../../outside.txt /members/../members/secret.txt
/dl/f/MASTERS/secret.txt /dl/f/Masters/secret.txt /DL/f/masters/secret.txt /dl/F/masters/secret.txt /dl/f//masters/secret.txt
/dl/f/masters%2fsecret.txt /dl/f%2fmasters/secret.txt /dl%2ff/masters/secret.txt /dl/f/masters/../../f/masters/secret.txt
/dl/f/masters/../../_cloakroom/masters/secret.txt /dl/f/../f/masters/secret.txt /dl/f/./masters/secret.txt /dl/f/masters.txt
/dl/f/ /dl/f /dl/f/masters /dl/f/nowhere/secret.txt /dl/f/../masters/secret.txt /dl/f/masters:secret.txt /dl/f/.. /dl/.. /dl/ /dl
/dl/l/ /dl/l/x /dl/l/../f/masters/secret.txt /dl/l/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/secret.txt /dl/d/x /dl/d//x
/dl/d/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/../../f/masters/secret.txt /dl/x/masters/secret.txt /dl/masters/secret.txt
/etc/passwd /../etc/passwd /../../../../../../etc/passwd /..%2f..%2f..%2f..%2fetc/passwd /outside.txt /../outside.txt /%2e%2e/outside.txt
/downloads/secret.txt /../downloads/secret.txt /.%2e/downloads/secret.txt //../downloads/secret.txt /www/members/secret.txt
/@@cloakroom_refused @@cloakroom_refused /.git/config /members/.htaccess /favicon.ico * ? #
";

/// Addresses that are nobody's from outside, whatever is brought.
const INTERNAL: &str = r"
/_cloakroom/masters/secret.txt /_cloakroom/masters/ /_cloakroom/masters /_cloakroom/masters//secret.txt /_cloakroom//masters/secret.txt
//_cloakroom/masters/secret.txt /./_cloakroom/masters/secret.txt /_cloakroom/./masters/secret.txt /_cloakroom/masters/./secret.txt
/_cloakroom/masters/../masters/secret.txt /_cloakroom/x/../masters/secret.txt /_cloakroom/authorize/../masters/secret.txt
/_cloakroom%2fmasters/secret.txt /_cloakroom%2Fmasters%2Fsecret.txt /%5fcloakroom/masters/secret.txt /%5Fcloakroom/masters/secret.txt
/_cloakroo%6d/masters/secret.txt /_CLOAKROOM/masters/secret.txt /_Cloakroom/Masters/secret.txt /_cloakroom/MASTERS/secret.txt
/_cloakroom/masters/%73ecret.txt /_cloakroom/masters/secret.txt%00 /_cloakroom/masters/secret.txt? /_cloakroom/masters/secret.txt#x
/_cloakroom;/masters/secret.txt /_cloakroom/masters;/secret.txt /_cloakroom\masters\secret.txt /_cloakroom%5cmasters/secret.txt
/_cloakroom/masters/../../outside.txt /_cloakroom/masters/..%2foutside.txt /_cloakroom/masters../outside.txt /_cloakroom/masters..%2foutside.txt
/_cloakroom/masters/%2e%2e/outside.txt /_cloakroom/masters%2e%2e/outside.txt /_cloakroom/masters/..;/outside.txt /x/../_cloakroom/masters/secret.txt
/dl/../_cloakroom/masters/secret.txt /dl/%2e%2e/_cloakroom/masters/secret.txt /dl/f/../../_cloakroom/masters/secret.txt
/dl/..%2f_cloakroom/masters/secret.txt /dl/../_cloakroom/authorize /dl/..//_cloakroom/authorize /members/../_cloakroom/authorize
/members/../_cloakroom/masters/secret.txt /members/%2e%2e/_cloakroom/masters/secret.txt /members/pub/../../_cloakroom/masters/secret.txt
/_cloakroom/authorize /_cloakroom/authorize/ /_cloakroom/authorize?x /_cloakroom/authorize%20 /_cloakroom//authorize /_cloakroom/AUTHORIZE
/_cloakroom/refused/no_proof /_cloakroom/refused/bad_proof /_cloakroom/refused/ /_cloakroom/refused/../masters/secret.txt
/_cloakroom/refused/%2e%2e/masters/secret.txt /_cloakroom/refused/../authorize /_cloakroom/refused/x /_cloakroom/refused/no_proof/x
/dl/../_cloakroom/refused/no_proof /_cloakroom/ /_cloakroom /_cloakroom. /_cloakroom/.. /_cloakroom/x.php /_cloakroom/x.zip
http://shop.example/_cloakroom/masters/secret.txt http://shop.example/dl/../_cloakroom/masters/secret.txt
http://evil.example/_cloakroom/masters/secret.txt //shop.example/../_cloakroom/masters/secret.txt
";

/// Which targets are about one of the two protected addresses, and which must never lead anywhere.
pub struct Targets {
    pub protected: Vec<Vec<u8>>,
    pub internal: Vec<Vec<u8>>,
}

/// The targets for the files below `base`, each once.
pub fn of(base: &str) -> Targets {
    let mut protected = Vec::new();
    let mut add = |target: Vec<u8>| {
        if !protected.contains(&target) {
            protected.push(target);
        }
    };
    let written = |pattern: &str| pattern.replace("@@", "\u{1}").replace('@', base).replace('\u{1}', "@");
    for dots in DOTS.split_whitespace() {
        for pattern in DOT_PATTERNS.split_whitespace() {
            add(written(pattern).replace('~', dots).into_bytes());
        }
    }
    for separator in SEPARATORS.split_whitespace().chain(["/ /", "\u{1}/", "\t/"]) {
        for pattern in SEPARATOR_PATTERNS.split_whitespace() {
            add(written(pattern).replace('~', &written(separator)).into_bytes());
        }
    }
    for single in SINGLE.split_whitespace() {
        add(written(single).into_bytes());
    }
    for tail in
        [&b"\xff"[..], b"\xc3", b"\xc0\xae\xc0\xae/secret.txt", b"\x80secret.txt", b"secret\x7f.txt", b"secret.txt\x01", b"\0", b"s\0t"]
    {
        add([base.as_bytes(), b"/", tail].concat());
    }
    for (piece, count) in [
        ("a", 255),
        ("a", 256),
        ("a", 4000),
        ("a", 7900),
        ("a/", 2000),
        ("../", 1300),
        ("%2e%2e/", 500),
        ("/", 3000),
        ("%61", 1300),
        ("ü", 300),
    ] {
        for (start, end) in [("", "/secret.txt"), ("/pub", "/page.txt"), ("", "")] {
            add(format!("{base}{start}/{}{end}", piece.repeat(count)).into_bytes());
        }
    }
    add(format!("{base}/secret.txt?{}", "a=b&".repeat(1800)).into_bytes());
    add(format!("{base}/secret.txt?{}", "x".repeat(6200)).into_bytes());
    let internal = INTERNAL.split_whitespace().map(|target| target.as_bytes().to_vec()).collect();
    Targets { protected, internal }
}
