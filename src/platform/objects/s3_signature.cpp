#include "s3_signature.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/percent.h"
#include "crypto/encoding.h"
#include "crypto/hmac.h"
#include "crypto/sha256.h"

namespace corbel::objects {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

// "20130524T000000Z"
std::string timeText(Timestamp now) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::string scopeOf(const S3Credentials& credentials, std::string_view time) {
  return fmt::format("{}/{}/s3/aws4_request", time.substr(0, 8), credentials.region);
}

std::string sign(const S3Credentials& credentials, std::string_view time,
                 std::string_view canonicalRequest) {
  const std::string first = "AWS4" + std::string(credentials.secretKey.reveal());
  crypto::Sha256Digest key = crypto::hmacSha256(crypto::bytesOf(first), time.substr(0, 8));
  for (const std::string_view part : {std::string_view(credentials.region), std::string_view("s3"),
                                      std::string_view("aws4_request")})
    key = crypto::hmacSha256(key, part);
  const std::string text =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, scopeOf(credentials, time),
                  crypto::hex(crypto::sha256(canonicalRequest)));
  return crypto::hex(crypto::hmacSha256(key, text));
}

struct Names {
  std::string headers;  // as they are signed
  std::string list;     // "host;x-amz-date"
};

Names namesOf(S3Fields headers) {
  std::ranges::sort(headers);
  Names names;
  for (const auto& [name, value] : headers) {
    names.headers += fmt::format("{}:{}\n", name, value);
    names.list += (names.list.empty() ? "" : ";") + name;
  }
  return names;
}

std::string canonical(const S3Request& request, const std::string& query, const Names& names,
                      std::string_view payloadHash) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path, query, names.headers,
                     names.list, payloadHash);
}

}  // namespace

std::string queryText(const S3Fields& query) {
  S3Fields encoded;
  for (const auto& [name, value] : query)
    encoded.emplace_back(percentEncode(name), percentEncode(value));
  std::ranges::sort(encoded);
  std::string text;
  for (const auto& [name, value] : encoded)
    text += fmt::format("{}{}={}", text.empty() ? "" : "&", name, value);
  return text;
}

S3Fields signedHeaders(const S3Credentials& credentials, const S3Request& request, Timestamp now) {
  const std::string time = timeText(now);
  S3Fields headers = request.headers;
  headers.emplace_back("x-amz-content-sha256", request.payloadHash);
  headers.emplace_back("x-amz-date", time);
  S3Fields all = headers;
  all.emplace_back("host", request.host);
  const Names names = namesOf(all);
  const std::string signature = sign(
      credentials, time, canonical(request, queryText(request.query), names, request.payloadHash));
  headers.emplace_back(
      "authorization",
      fmt::format("{} Credential={}/{},SignedHeaders={},Signature={}", kAlgorithm,
                  credentials.accessKey, scopeOf(credentials, time), names.list, signature));
  return headers;
}

std::string presignedQuery(const S3Credentials& credentials, const S3Request& request,
                           std::chrono::seconds lifetime, Timestamp now) {
  const std::string time = timeText(now);
  S3Fields query = request.query;
  query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  query.emplace_back("X-Amz-Credential", credentials.accessKey + '/' + scopeOf(credentials, time));
  query.emplace_back("X-Amz-Date", time);
  query.emplace_back("X-Amz-Expires", std::to_string(lifetime.count()));
  query.emplace_back("X-Amz-SignedHeaders", "host");
  const std::string text = queryText(query);
  const Names names = namesOf({{"host", request.host}});
  return text + "&X-Amz-Signature=" +
         sign(credentials, time, canonical(request, text, names, "UNSIGNED-PAYLOAD"));
}

}  // namespace corbel::objects
