<?php
// What Zen Cart answers to whoever asks for a download: its rules, in its own language, whose calendar they lean on.
// Reads a list of cases as JSON from standard input, and prints a list of answers.
//
// The order of decisions is that of includes/modules/pages/download/header_php.php, the button's that of
// includes/modules/downloads.php with DOWNLOADS_CONTROLLER_ORDERS_STATUS 2 to 4.

declare(strict_types=0);

function decide(array $row, int &$left, int $now): string
{
    // The row, its line and its order are joined; a row without a name is none.
    if (!$row['order'] || !$row['line'] || $row['file'] === '') {
        return 'nothing';
    }
    if ($row['purchased'] === null) {
        // date_format() of NULL is NULL: mktime() does not take what becomes of it.
        return 'error';
    }
    // The others are sent by observers, each to another place.
    if (preg_match('/^(https?|aws|service):/', $row['file'])) {
        return 'elsewhere';
    }
    $expired = $row['max_days'] !== 0 && (expiry($row) <= $now || $left <= 0);
    if ($expired) {
        return 'time_out';
    }
    if (!$row['exists']) {
        return 'missing';
    }
    $left--;
    return 'file';
}

function expiry(array $row): int
{
    [$year, $month, $day] = array_map('intval', explode('-', substr($row['purchased'], 0, 10)));
    return mktime(23, 59, 59, $month, $day + $row['max_days'], $year);
}

function saved_as(string $file): string
{
    $name = strtr($file, ' ', '_');
    foreach (['/', '\\'] as $sign) {
        $at = strrpos($name, $sign);
        $name = $at === false ? $name : substr($name, $at + 1);
    }
    return $name;
}

$answers = [];
foreach (json_decode(stream_get_contents(STDIN), true, 16, JSON_THROW_ON_ERROR) as $row) {
    date_default_timezone_set($row['zone']);
    $left = $row['count'];
    $told = [];
    foreach ($row['asked'] as $now) {
        $told[] = decide($row, $left, $now);
    }
    $answers[] = [
        'told' => $told,
        'button' => $row['status'] >= 2 && $row['status'] <= 4,
        'name' => saved_as($row['file']),
        'expiry' => $row['max_days'] === 0 || $row['purchased'] === null ? null : expiry($row),
    ];
}
echo json_encode($answers, JSON_THROW_ON_ERROR);
