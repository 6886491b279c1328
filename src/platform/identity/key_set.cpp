#include "key_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/encoding.h"
#include "strict_json.h"

namespace corbel::identity {
namespace {

using crypto::SignatureAlgorithm;
using simdjson::dom::element;
using simdjson::dom::object;

std::unexpected<Error> malformed(std::string what) {
  return fail(ErrorCode::unprocessable, "key set: " + std::move(what));
}

std::optional<std::string_view> textOf(const object& key, std::string_view name) {
  std::string_view text;
  if (key.at_key(name).get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

// Empty where it is missing or no base64url: no number of a key is.
std::string bytesOf(const object& key, std::string_view name) {
  return crypto::fromBase64Url(textOf(key, name).value_or("")).value_or("");
}

bool mayVerify(const object& key) {
  if (textOf(key, "use").value_or("sig") != "sig") return false;
  element operations;
  if (key.at_key("key_ops").get(operations) != simdjson::SUCCESS) return true;
  if (!operations.is_array()) return false;
  return std::ranges::any_of(operations.get_array().value_unsafe(), [](element operation) {
    std::string_view text;
    return operation.get_string().get(text) == simdjson::SUCCESS && text == "verify";
  });
}

bool isFor(const object& key, SignatureAlgorithm algorithm) {
  const std::string_view type = textOf(key, "kty").value_or("");
  const std::string_view curve = textOf(key, "crv").value_or("");
  if (textOf(key, "alg").value_or(name(algorithm)) != name(algorithm) || !mayVerify(key))
    return false;
  switch (algorithm) {
    case SignatureAlgorithm::rs256:
    case SignatureAlgorithm::ps256:
      return type == "RSA";
    case SignatureAlgorithm::es256:
      return type == "EC" && curve == "P-256";
    case SignatureAlgorithm::es384:
      return type == "EC" && curve == "P-384";
    case SignatureAlgorithm::edDsa:
      return type == "OKP" && curve == "Ed25519";
    // Secrets do not belong into sets that are published.
    case SignatureAlgorithm::hs256:
    case SignatureAlgorithm::hs384:
    case SignatureAlgorithm::hs512:
      return false;
  }
  std::unreachable();
}

Result<crypto::VerificationKey> keyOf(const object& key, SignatureAlgorithm algorithm) {
  if (algorithm == SignatureAlgorithm::edDsa)
    return crypto::Ed25519PublicKey::fromBytes(bytesOf(key, "x"));
  if (algorithm == SignatureAlgorithm::es256 || algorithm == SignatureAlgorithm::es384) {
    const auto curve =
        algorithm == SignatureAlgorithm::es256 ? crypto::Curve::p256 : crypto::Curve::p384;
    return crypto::EcPublicKey::fromPoint(curve, bytesOf(key, "x"), bytesOf(key, "y"));
  }
  return crypto::RsaPublicKey::fromNumbers(bytesOf(key, "n"), bytesOf(key, "e"));
}

}  // namespace

Result<KeySet> KeySet::parse(std::string text, SignatureAlgorithm algorithm) {
  if (text.size() > kMaxBytes) return malformed("is longer than 64 KiB");
  const auto json = StrictJson::parse(std::move(text));
  const auto keys = json ? json->find("keys") : std::nullopt;
  if (!keys || !keys->is_array()) return malformed("is no JSON object with a list \"keys\"");
  KeySet set;
  std::size_t count = 0;
  for (const element item : keys->get_array().value_unsafe()) {
    object key;
    if (++count > kMaxKeys) return malformed("has more than 64 keys");
    if (item.get_object().get(key) != simdjson::SUCCESS)
      return malformed("has a key that is no object");
    if (!isFor(key, algorithm)) continue;
    std::optional<std::string> kid;
    if (const auto id = textOf(key, "kid")) kid = *id;
    const bool taken = std::ranges::find(set.entries_, kid, &Entry::kid) != set.entries_.end();
    if (taken) return malformed(fmt::format("has two {} keys with the same id", name(algorithm)));
    CORBEL_TRY(auto verificationKey, keyOf(key, algorithm));
    CORBEL_TRY(auto verifier, crypto::Verifier::bind(algorithm, std::move(verificationKey)));
    set.entries_.push_back({std::move(kid), std::move(verifier)});
  }
  if (set.entries_.empty()) return malformed(fmt::format("has no key for {}", name(algorithm)));
  return set;
}

const crypto::Verifier* KeySet::find(const std::optional<std::string>& kid) const {
  if (!kid) return entries_.size() == 1 ? &entries_.front().verifier : nullptr;
  const auto found = std::ranges::find(entries_, kid, &Entry::kid);
  return found == entries_.end() ? nullptr : &found->verifier;
}

}  // namespace corbel::identity
