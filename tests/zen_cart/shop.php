<?php
// What Zen Cart does in its `pub/` for a download "by redirect": `shop.php clean PUB SECONDS` is its clean-up, with the value of
// SYMLINK_GARBAGE_COLLECTION_THRESHOLD, which opens each directory before it looks at the time in its name, and removes one
// that cannot be opened if it is empty (auto.downloads_via_redirect.php of 1.5.6 to 2.2); `shop.php link PUB MASTER NAME [.]` makes a link and prints where it leads to.
umask(0);
[, $act, $pub] = $argv;

if ($act === 'clean') {
    $handle = opendir($pub);
    while (($name = readdir($handle)) !== false) {
        if ($name === '.' || $name === '..' || !is_dir("$pub/$name")) {
            continue;
        }
        $inside = opendir("$pub/$name");
        if ($inside !== false) {
            $made = (int) (explode('-', $name)[1] ?? 0);
            if ($made + (int) $argv[3] > time()) {
                continue;
            }
            while (($link = readdir($inside)) !== false) {
                if ($link !== '.' && $link !== '..') {
                    @unlink("$pub/$name/$link");
                }
            }
        }
        @rmdir("$pub/$name");
    }
    exit(0);
}

$letters = '';
for ($left = random_int(16, 20); $left > 0; $left--) {
    $letters .= chr(random_int(ord('a'), ord('z')));
}
$directory = ($argv[5] ?? '') . $letters . '-' . time();
mkdir("$pub/$directory", 0777);
symlink($argv[3], "$pub/$directory/$argv[4]");
echo "$directory/$argv[4]";
