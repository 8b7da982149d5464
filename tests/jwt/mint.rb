# Mints with ruby-jwt: a JSON list of {key, algorithm, claims, headers} on standard input, a token a line on standard
# output. `key` is a file: base64url of a secret for HS256, a private key in PEM for the others, nothing for `none`.
require "base64"
require "json"
require "jwt"

JSON.parse($stdin.read).each do |wanted|
  algorithm = wanted["algorithm"]
  text = algorithm == "none" ? nil : File.read(wanted["key"])
  key = algorithm.start_with?("HS") ? Base64.urlsafe_decode64(text.strip) : text && OpenSSL::PKey.read(text)
  puts JWT.encode(wanted["claims"], key, algorithm, wanted["headers"])
end
