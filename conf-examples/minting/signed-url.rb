# A signed URL. Ruby 2.5 or newer, nothing else:
#   ruby signed-url.rb KEY_FILE KID SITE PATH SECONDS
#   ruby signed-url.rb /var/lib/cloakroom/keys/main main shop.example '/members/a b.zip' 3600
require "base64"
require "openssl"
file, kid, site, path, seconds = ARGV
encoded = path.b.gsub(%r{[^A-Za-z0-9\-._~/]}n) { |byte| "%%%02X" % byte.ord }

key = Base64.urlsafe_decode64(File.read(file).strip)
url = "#{encoded}?kid=#{kid}&exp=#{Time.now.to_i + seconds.to_i}"
sig = Base64.urlsafe_encode64(OpenSSL::HMAC.digest("SHA256", key, "cloakroom-1\n#{site}\n#{url}"), padding: false)

puts "#{url}&sig=#{sig}"
