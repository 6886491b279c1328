// AWS Signature Version 4, for requests and for URLs.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"

namespace corbel::objects {

struct S3Credentials {
  std::string accessKey;
  Secret secretKey;
  std::string region;
};

using S3Fields = std::vector<std::pair<std::string, std::string>>;

// What is signed. `path` is encoded already; the query's names and values are not.
struct S3Request {
  std::string method;
  std::string host;  // with the port, where the URL has one
  std::string path;
  S3Fields query = {};
  S3Fields headers = {};    // names in lower case, without host; all are signed
  std::string payloadHash;  // hexadecimal SHA-256 of the body
};

inline constexpr std::string_view kEmptyPayload =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// "name=value&…", encoded and in the order that is signed.
std::string queryText(const S3Fields& query);

// The headers to send with the request: its own, x-amz-date, x-amz-content-sha256, authorization.
S3Fields signedHeaders(const S3Credentials& credentials, const S3Request& request, Timestamp now);

// The query of a URL that does the request for whoever has it, until `lifetime` (7 days at most)
// has passed. Headers and payload are not bound.
std::string presignedQuery(const S3Credentials& credentials, const S3Request& request,
                           std::chrono::seconds lifetime, Timestamp now);

}  // namespace corbel::objects
