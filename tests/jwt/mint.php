<?php
// Mints with firebase/php-jwt, whose vendor/autoload.php is the first argument: a JSON list of {key, algorithm, claims,
// headers} on standard input, a token a line on standard output. `key` is a file: base64url of a secret for HS256, a
// private key in PEM for the others. The tokens of tests/golden/jwt/ were made by it, and by 7.0 of the library.
require $argv[1];

foreach (json_decode(stream_get_contents(STDIN), true) as $wanted) {
    $key = file_get_contents($wanted['key']);
    if ($wanted['algorithm'] === 'HS256') {
        $key = base64_decode(strtr(trim($key), '-_', '+/'));
    } elseif ($wanted['algorithm'] === 'EdDSA') {
        $seed = substr(base64_decode(preg_replace('/-----.*?-----|\s/', '', $key)), -32);
        $key = base64_encode(sodium_crypto_sign_secretkey(sodium_crypto_sign_seed_keypair($seed)));
    }
    echo Firebase\JWT\JWT::encode($wanted['claims'], $key, $wanted['algorithm'], null, $wanted['headers']), "\n";
}
