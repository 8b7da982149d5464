# A JWT, with ruby-jwt 2 or newer (gem install jwt, or apt install ruby-jwt):
#   ruby jwt-ruby.rb KEY_FILE KID SITE PATH SECONDS [HS256|ES256|RS256]
#   ruby jwt-ruby.rb private.pem shop shop.example '/members/a b.zip' 3600 RS256
require "base64"
require "jwt"
file, kid, site, path, seconds, algorithm = ARGV
algorithm ||= "HS256"

# HS256 takes the bytes that the one line of the key file stands for, the others a private key in PEM.
text = File.read(file)
key = algorithm == "HS256" ? Base64.urlsafe_decode64(text.strip) : OpenSSL::PKey.read(text)
claims = { aud: site, exp: Time.now.to_i + seconds.to_i, path: path }

puts JWT.encode(claims, key, algorithm, { kid: kid })
