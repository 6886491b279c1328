// Checks of single texts: each says what the text must be, or nothing when it is right.
#pragma once
#include <string>
#include <string_view>

namespace corbel::config {

std::string checkHost(std::string_view text);           // a name or an address to bind
std::string checkAllowedHost(std::string_view text);    // a Host header: name[:port]
std::string checkOrigin(std::string_view text);         // https://example.com[:port] or *
std::string checkFolder(std::string_view text);         // not empty
std::string checkStoreUrl(std::string_view text);       // empty, sqlite:<file> or postgres://...
std::string checkSchema(std::string_view text);         // a lower-case name
std::string checkSigningSecret(std::string_view text);  // long and not obviously a placeholder
std::string checkJwksUrl(std::string_view text);        // empty, or https://...

}  // namespace corbel::config
