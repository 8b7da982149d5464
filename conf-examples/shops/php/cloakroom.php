<?php
// Cloakroom from PHP, 7.4 or newer, nothing else. Copy this file into the shop.
//
//   $cloakroom = new Cloakroom('http://127.0.0.1:8471', getenv('CLOAKROOM_KEY'));
//   $url = $cloakroom->grant('masters/album.zip', 'anna@example.org', ['max_downloads' => '3'])['url'];
//   $order = $cloakroom->order(['external_id' => '1007', 'state' => 'paid', 'lines' => [['sku' => 'ALBUM']]]);
//   $cloakroom->orderState($order['id'], 'refunded');
//
// The key is made by `cloakroom apikey new shop-php --scope grants --scope orders`, and belongs into no file that the web
// server sends.
final class CloakroomProblem extends RuntimeException
{
    /** What Cloakroom said (RFC 9457): status, title, detail, code, errors. */
    public array $problem;

    public function __construct(array $problem)
    {
        parent::__construct($problem['detail'], $problem['status']);
        $this->problem = $problem;
    }
}

final class Cloakroom
{
    /** Who is asked to wait for longer than so many seconds is told so at once: a customer waits, too. */
    private const PAUSE_MAX = 10;

    private string $url;
    private string $key;

    public function __construct(string $url, string $key)
    {
        $this->url = rtrim($url, '/');
        $this->key = $key;
    }

    /** A grant with its first link. $once names what is sold ("order 1007 line 2"): asked again, it is the same grant. */
    public function grant(string $file, string $customer, array $limits = [], ?string $once = null): array
    {
        return $this->call('POST', '/api/v1/grants', ['file' => $file, 'customer' => $customer] + $limits, $once ?? bin2hex(random_bytes(16)));
    }

    /** What the shop knows of an order; the same number is the same order. Gives it with the URLs of what it opens. */
    public function order(array $order): array
    {
        return $this->call('POST', '/api/v1/orders', $order, bin2hex(random_bytes(16)));
    }

    /** What became of an order: pending, paid, on_hold, refunded, cancelled, charged_back. */
    public function orderState(string $id, string $state): array
    {
        return $this->call('POST', "/api/v1/orders/$id/state", ['state' => $state]);
    }

    /**
     * Any call of the API. One that did not get through is tried again, and so is one that is to wait (Retry-After: the same
     * call runs already); $once keeps it from being done twice.
     */
    public function call(string $method, string $path, ?array $body = null, ?string $once = null): array
    {
        $headers = ["Authorization: Bearer $this->key", 'Content-Type: application/json', 'Connection: close'];
        if ($once !== null) {
            $headers[] = 'Idempotency-Key: ' . hash('sha256', $once);
        }
        $content = $body === null ? '' : json_encode((object) $body, JSON_THROW_ON_ERROR);
        $http = ['method' => $method, 'header' => $headers, 'content' => $content, 'timeout' => 10, 'ignore_errors' => true, 'follow_location' => 0];
        for ($left = 2; ; $left--) {
            $http_response_header = [];
            $answer = @file_get_contents($this->url . $path, false, stream_context_create(['http' => $http]));
            $status = isset($http_response_header[0]) ? (int) explode(' ', $http_response_header[0])[1] : 0;
            if ($answer !== false && $status === 200) {
                return json_decode($answer, true, 64, JSON_THROW_ON_ERROR);
            }
            $asked = preg_grep('/^Retry-After: *\d{1,9}$/i', $http_response_header);
            $pause = $asked ? (int) preg_replace('/\D/', '', end($asked)) : 1;
            $again = $status === 0 || $status === 503 || ($status === 409 && $asked);
            if ($left === 0 || !$again || $pause > self::PAUSE_MAX) {
                $problem = json_decode((string) $answer, true);
                $silent = ['status' => $status, 'title' => 'No answer', 'detail' => "Cloakroom does not answer at $this->url"];
                throw new CloakroomProblem(is_array($problem) && isset($problem['detail'], $problem['status']) ? $problem : $silent);
            }
            sleep($pause);
        }
    }

    /** Whether a webhook came from Cloakroom within five minutes (https://www.standardwebhooks.com). $body is as it came. */
    public static function isWebhook(string $secret, array $headers, string $body, ?int $now = null): bool
    {
        $headers = array_change_key_case($headers, CASE_LOWER);
        [$id, $time, $signed] = [$headers['webhook-id'] ?? '', $headers['webhook-timestamp'] ?? '', $headers['webhook-signature'] ?? ''];
        $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
        if (!$key || $id === '' || !ctype_digit($time) || abs(($now ?? time()) - (int) $time) > 300) {
            return false;
        }
        $wanted = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$time.$body", $key, true));
        $equal = array_filter(explode(' ', $signed), fn ($one) => hash_equals($wanted, $one));
        return $equal !== [];
    }
}
