<?php
// A JWT, with firebase/php-jwt 6 or newer (composer require firebase/php-jwt). Without a library see jwt-plain.php.
//   php jwt-firebase.php KEY_FILE KID SITE PATH SECONDS [HS256|EdDSA|ES256|RS256]
//   php jwt-firebase.php private.pem shop shop.example '/members/a b.zip' 3600 RS256
require __DIR__ . '/vendor/autoload.php';
[, $file, $kid, $site, $path, $seconds] = $argv;
$algorithm = $argv[6] ?? 'HS256';

// HS256 takes the bytes that the one line of the key file stands for, EdDSA the seed and the public key in base64.
$key = file_get_contents($file);
if ($algorithm === 'HS256') {
    $key = base64_decode(strtr(trim($key), '-_', '+/'));
} elseif ($algorithm === 'EdDSA') {
    $seed = substr(base64_decode(preg_replace('/-----.*?-----|\s/', '', $key)), -32);
    $key = base64_encode(sodium_crypto_sign_secretkey(sodium_crypto_sign_seed_keypair($seed)));
}
$claims = ['aud' => $site, 'exp' => time() + (int) $seconds, 'path' => $path];

echo Firebase\JWT\JWT::encode($claims, $key, $algorithm, $kid), "\n";
