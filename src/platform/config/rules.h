// Checks of single texts: each says what the text must be, or nothing when it is right.
#pragma once
#include <string>
#include <string_view>

namespace corbel::config {

std::string checkHost(std::string_view text);            // a name or an address to bind
std::string checkAllowedHost(std::string_view text);     // a Host header: name[:port]
std::string checkOrigin(std::string_view text);          // https://example.com[:port] or *
std::string checkFolder(std::string_view text);          // not empty
std::string checkStoreUrl(std::string_view text);        // empty, sqlite:<file> or postgres://...
std::string checkSchema(std::string_view text);          // a lower-case name
std::string checkSigningSecret(std::string_view text);   // long and not obviously a placeholder
std::string checkJwksUrl(std::string_view text);         // empty, or https://...
std::string checkEventSource(std::string_view text);     // a URI reference
std::string checkWebhookHost(std::string_view text);     // name[:port]
std::string checkNatsUrl(std::string_view text);         // empty, or nats:// and tls:// with commas
std::string checkNatsSubject(std::string_view text);     // tokens with dots
std::string checkBrokerHost(std::string_view text);      // empty, or a name or an address
std::string checkRedisUrl(std::string_view text);        // empty, or redis:// and rediss://
std::string checkS3Url(std::string_view text);           // empty, or http(s)://host[:port]
std::string checkBucket(std::string_view text);          // empty, or a bucket's name
std::string checkS3Prefix(std::string_view text);        // part of a key
std::string checkMqttTopic(std::string_view text);       // levels with /, no wildcards
std::string checkKafkaBrokers(std::string_view text);    // empty, or host:port with commas
std::string checkKafkaTopic(std::string_view text);      // letters, digits, . _ -
std::string checkAmqpName(std::string_view text);        // printable, not empty
std::string checkAmqpQueue(std::string_view text);       // the same, or empty
std::string checkTracesEndpoint(std::string_view text);  // empty, or [http[s]://]host[:port][/path]
std::string checkBackendUrl(std::string_view text);
std::string checkPath(std::string_view text);
std::string checkRole(std::string_view text);
std::string checkRoleUrl(std::string_view text);

}  // namespace corbel::config
