<?php
// A signed URL. PHP 7.4 or newer, nothing else:
//   php signed-url.php KEY_FILE KID SITE PATH SECONDS
//   php signed-url.php /var/lib/cloakroom/keys/main main shop.example '/members/a b.zip' 3600
[, $file, $kid, $site, $path, $seconds] = $argv;

$key = base64_decode(strtr(trim(file_get_contents($file)), '-_', '+/'));
$url = str_replace('%2F', '/', rawurlencode($path)) . "?kid=$kid&exp=" . (time() + $seconds);
$sig = rtrim(strtr(base64_encode(hash_hmac('sha256', "cloakroom-1\n$site\n$url", $key, true)), '+/', '-_'), '=');

echo "$url&sig=$sig\n";
