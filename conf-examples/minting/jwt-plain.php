<?php
// A JWT without any library. PHP 7.4 or newer:
//   php jwt-plain.php KEY_FILE KID SITE PATH SECONDS [HS256|RS256]
//   php jwt-plain.php /var/lib/cloakroom/keys/main main shop.example '/members/a b.zip' 3600
[, $file, $kid, $site, $path, $seconds] = $argv;
$algorithm = $argv[6] ?? 'HS256';
$base64url = fn ($bytes) => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');

$key = file_get_contents($file);
$claims = ['aud' => $site, 'exp' => time() + (int) $seconds, 'path' => $path];
$text = $base64url(json_encode(['alg' => $algorithm, 'kid' => $kid])) . '.' . $base64url(json_encode($claims));
if ($algorithm === 'RS256') {
    openssl_sign($text, $signature, $key, 'sha256');
} else {
    $signature = hash_hmac('sha256', $text, base64_decode(strtr(trim($key), '-_', '+/')), true);
}

echo $text . '.' . $base64url($signature), "\n";
